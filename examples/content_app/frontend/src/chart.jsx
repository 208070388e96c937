// The traffic chart: an area for the views, a line for the reads, one step for each day.

const WIDTH = 640;
const HEIGHT = 200;
const MARGIN = { top: 12, right: 8, bottom: 24, left: 32 };

const inner = {
  width: WIDTH - MARGIN.left - MARGIN.right,
  height: HEIGHT - MARGIN.top - MARGIN.bottom,
};

/** The next round number, so that the axis ends on one: 1, 2 or 5 times a power of ten. */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((bound) => bound >= value);
}

function scales(days) {
  const top = Math.max(roundUp(Math.max(...days.map(({ views }) => views))), 2);
  return {
    top,
    x: (index) => MARGIN.left + (index / Math.max(days.length - 1, 1)) * inner.width,
    y: (value) => MARGIN.top + (1 - value / top) * inner.height,
  };
}

function line(days, key, { x, y }) {
  return days
    .map((day, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(day[key]).toFixed(1)}`)
    .join("");
}

const label = (day) =>
  new Date(day).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });

export function Chart({ days }) {
  const scale = scales(days);
  const views = line(days, "views", scale);
  const floor = MARGIN.top + inner.height;
  const marks = [0, scale.top / 2, scale.top];

  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="Views and reads per day">
      {marks.map((value) => (
        <g key={value} class="grid">
          <line x1={MARGIN.left} x2={WIDTH - MARGIN.right} y1={scale.y(value)} y2={scale.y(value)} />
          <text x={MARGIN.left - 8} y={scale.y(value) + 4} text-anchor="end">{value}</text>
        </g>
      ))}
      {days.map((day, index) =>
        index % 7 === 0 ? (
          <text key={day.day} class="tick" x={scale.x(index)} y={HEIGHT - 6} text-anchor="middle">
            {label(day.day)}
          </text>
        ) : null,
      )}
      <path class="area" d={`${views}L${WIDTH - MARGIN.right} ${floor}L${MARGIN.left} ${floor}Z`} />
      <path class="views" d={views} />
      <path class="reads" d={line(days, "reads", scale)} />
    </svg>
  );
}
