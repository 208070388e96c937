import * as api from "./api.js";
import { useLoaded } from "./loading.js";

export function Searches({ project, version }) {
  const { data, error } = useLoaded(() => api.searches(project), [project, version]);

  return (
    <section class="card">
      <h3>Search results, analysed</h3>
      {error && <p class="error">{error}</p>}
      <div class="searches">
        {data?.items.map((search) => (
          <div key={search.id} class="search">
            <h4>{search.keyword}</h4>
            <p class="terms">
              {search.terms.slice(0, 5).map(({ text }) => <span key={text}>{text}</span>)}
            </p>
            <table>
              <thead>
                <tr><th>Competing page</th><th>Words</th><th>Density</th></tr>
              </thead>
              <tbody>
                {search.pages.map((page) => (
                  <tr key={page.position}>
                    <td>{page.position}. {host(page.url)}</td>
                    <td>{page.words}</td>
                    <td>{(page.keyword_density * 100).toFixed(1)} %</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ))}
      </div>
    </section>
  );
}

/** The host of an address; an address that is none is shown as it came. */
function host(url) {
  return URL.canParse(url) ? new URL(url).hostname : url;
}
