import * as api from "./api.js";
import { useLoaded } from "./loading.js";

const sum = (days, key) => days.reduce((total, day) => total + day[key], 0);

export function Traffic({ project }) {
  const { data, error } = useLoaded(() => api.analytics(project), [project]);
  // The chart is code of its own, fetched while the numbers are on their way.
  const chart = useLoaded(() => import("./chart.jsx"), []);
  const Chart = chart.data?.Chart;

  return (
    <section class="card traffic" aria-busy={!data}>
      <div class="figures">
        <h3>Last 30 days</h3>
        {error && <p class="error">{error}</p>}
        <Figure label="Views" value={data && sum(data.days, "views")} tone="views" />
        <Figure label="Reads" value={data && sum(data.days, "reads")} tone="reads" />
      </div>
      <div class="chart">{data && Chart && <Chart days={data.days} />}</div>
      <ol class="top">
        <h4>Most viewed</h4>
        {data?.top.map(({ id, title, views }) => (
          <li key={id}>
            <span>{title.split(":")[0]}</span>
            <b>{views}</b>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Figure({ label, value, tone }) {
  return (
    <p class={`figure ${tone}`}>
      <b>{value === null ? "–" : value.toLocaleString("en")}</b>
      <span>{label}</span>
    </p>
  );
}
