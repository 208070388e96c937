// The visitors of locustfiles/visitor.py for k6: closed, or open where RATE is given.
import http from 'k6/http';

const users = Number(__ENV.VISITORS);
const closed = { executor: 'constant-vus', vus: users, duration: __ENV.LENGTH };
const open = {
  executor: 'constant-arrival-rate',
  rate: Number(__ENV.RATE),
  timeUnit: '1s',
  duration: __ENV.LENGTH,
  preAllocatedVUs: users,
  maxVUs: users,
};

export const options = {
  scenarios: { visit: __ENV.RATE === undefined ? closed : open },
  summaryTrendStats: ['count', 'p(50)', 'p(90)', 'p(95)', 'p(99)'],
};

export default function () {
  http.get(__ENV.TARGET);
}
