import { useEffect, useState } from "preact/hooks";
import * as api from "./api.js";
import { Article } from "./article.jsx";
import { useLoaded } from "./loading.js";
import { Searches } from "./searches.jsx";
import { Traffic } from "./traffic.jsx";

export function Project({ project, onChange }) {
  const [version, setVersion] = useState(0);
  const [open, setOpen] = useState(null);

  function added(article) {
    setOpen(article.id);
    setVersion(version + 1);
    onChange();
  }

  return (
    <>
      <header class="project-head">
        <div>
          <p class="eyebrow">Project</p>
          <h2>{project.name}</h2>
        </div>
        <Generator project={project.id} onDone={added} />
      </header>
      <Traffic project={project.id} />
      <div class="columns">
        <Articles project={project.id} version={version} open={open} onOpen={setOpen} />
        <Article id={open} />
      </div>
      <Searches project={project.id} version={version} />
    </>
  );
}

function Generator({ project, onDone }) {
  const [keyword, setKeyword] = useState("");
  const [state, setState] = useState({ busy: false, error: null });

  async function submit(event) {
    event.preventDefault();
    setState({ busy: true, error: null });
    try {
      onDone(await api.generate(project, keyword));
      setKeyword("");
      setState({ busy: false, error: null });
    } catch (error) {
      setState({ busy: false, error: error.message });
    }
  }

  return (
    <form class="generator" onSubmit={submit}>
      <input
        aria-label="Keyword"
        placeholder="Keyword, such as seed trays"
        value={keyword}
        onInput={(event) => setKeyword(event.target.value)}
        minLength={2}
        maxLength={80}
        required
      />
      <button disabled={state.busy}>{state.busy ? "Writing…" : "Write article"}</button>
      {state.error && <p class="error" role="alert">{state.error}</p>}
    </form>
  );
}

function Articles({ project, version, open, onOpen }) {
  const [more, setMore] = useState([]);
  const first = useLoaded(() => api.articles(project), [project, version]);
  useEffect(() => setMore([]), [first.data]);
  useEffect(() => {
    if (open === null && first.data?.items.length) onOpen(first.data.items[0].id);
  }, [first.data]);
  const pages = first.data ? [first.data, ...more] : [];
  const next = pages.at(-1)?.next;

  return (
    <section class="card">
      <h3>Articles</h3>
      {first.error && <p class="error">{first.error}</p>}
      <ul class="articles">
        {pages.flatMap((page) => page.items).map((article) => (
          <li key={article.id}>
            <button aria-current={article.id === open} onClick={() => onOpen(article.id)}>
              <strong>{article.title}</strong>
              <span>
                {article.words} words · readability {article.readability.toFixed(0)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      {next && (
        <button
          class="more"
          onClick={async () => setMore([...more, await api.articles(project, next)])}
        >
          Show more
        </button>
      )}
    </section>
  );
}
