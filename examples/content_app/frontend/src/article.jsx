import { useEffect } from "preact/hooks";
import * as api from "./api.js";
import { useLoaded } from "./loading.js";

export function Article({ id }) {
  const { data, error } = useLoaded(() => id && api.article(id), [id]);
  useEffect(() => {
    // A visit that could not be counted is no reason to disturb the reader.
    if (id) api.recordView(id).catch(() => {});
  }, [id]);

  return (
    <section class="card preview" aria-busy={!data}>
      {error && <p class="error">{error}</p>}
      {data && (
        <article>
          <p class="eyebrow">{data.keyword}</p>
          <h3>{data.title}</h3>
          <p class="facts">
            {data.words} words · readability {data.readability.toFixed(0)} ·{" "}
            {data.tokens.toLocaleString("en")} tokens
          </p>
          {blocks(data.body)}
        </article>
      )}
    </section>
  );
}

/** Headings and paragraphs of Markdown, as elements: generated text never becomes raw HTML. */
function blocks(markdown) {
  return markdown.split(/\n{2,}/).map((block) => {
    const heading = /^#{1,6} (.*)$/.exec(block.trim());
    return heading ? <h4>{heading[1]}</h4> : <p>{block.trim()}</p>;
  });
}
