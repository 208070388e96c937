import { useEffect, useState } from "preact/hooks";
import * as api from "./api.js";
import { useLoaded } from "./loading.js";
import { Project } from "./project.jsx";

export function App() {
  const [user, setUser] = useState(null);
  const [project, setProject] = useState(null);
  const [version, setVersion] = useState(0);
  const users = useLoaded(api.users, []);
  const owner = user ?? users.data?.[0]?.id;
  const projects = useLoaded(() => owner && api.projects(owner), [owner, version]);
  // While totals are loaded again the open project stays as it is.
  const shown = projects.data?.items.find(({ id }) => id === project?.id) ?? project;

  useEffect(() => {
    const items = projects.data?.items;
    if (items && !items.some(({ id }) => id === project?.id)) setProject(items[0] ?? null);
  }, [projects.data]);

  return (
    <div class="layout">
      <aside class="sidebar">
        <h1 class="brand">
          <img src="/icon.svg" alt="" width="28" height="28" /> Inkwell
        </h1>
        <label class="owner">
          <span>Workspace</span>
          <select value={owner} onChange={(event) => setUser(Number(event.target.value))}>
            {users.data?.map(({ id, name }) => (
              <option key={id} value={id}>{name}</option>
            ))}
          </select>
        </label>
        <nav aria-label="Projects">
          {projects.data?.items.map((item) => (
            <button
              key={item.id}
              class="project-link"
              aria-current={item.id === shown?.id}
              onClick={() => setProject(item)}
            >
              <strong>{item.name}</strong>
              <span>{item.articles} articles · {item.words.toLocaleString("en")} words</span>
            </button>
          ))}
        </nav>
      </aside>
      <main>
        {(users.error || projects.error) && <p class="error">{users.error || projects.error}</p>}
        {users.data?.length === 0 && <p class="empty">No users yet: run the seed command.</p>}
        {shown && (
          <Project key={shown.id} project={shown} onChange={() => setVersion(version + 1)} />
        )}
      </main>
    </div>
  );
}
