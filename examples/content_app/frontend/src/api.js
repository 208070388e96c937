// The server's JSON API: each function is one request.

async function call(path, options) {
  const response = await fetch(`/api${path}`, options);
  if (!response.ok) {
    const { detail } = await response.json().catch(() => ({}));
    // A refused input comes as a list of reasons, everything else as one sentence.
    const reason = Array.isArray(detail) ? detail[0]?.msg : detail;
    throw new Error(reason ?? `the server answered ${response.status}`);
  }
  return response.status === 204 ? null : response.json();
}

const post = (path, body) =>
  call(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

export const users = () => call("/users");
export const projects = (user) => call(`/users/${user}/projects`);
export const articles = (project, after = 0) =>
  call(`/projects/${project}/articles?after=${after}`);
export const searches = (project) => call(`/projects/${project}/searches?limit=100`);
export const analytics = (project) => call(`/projects/${project}/analytics`);
export const article = (id) => call(`/articles/${id}`);
export const generate = (project, keyword) => post(`/projects/${project}/articles`, { keyword });
export const recordView = (id) => post(`/articles/${id}/events`, { kind: "view" });
