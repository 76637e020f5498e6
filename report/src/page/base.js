// What the page of a report is made with: the report, elements, numbers for humans, tables. The files of this folder are
// put into one module in the order in which `html.rs` names them. All text goes in as text, never as HTML.

const report = JSON.parse(document.getElementById('data').textContent);
const { loadTest, spec, status, series, series: { points }, distribution, pauses, faults, provenance } = report;
const disturbances = status.disturbances ?? [];
const validity = status.latency?.validity;

// ---- Elements ----
const isThere = (value) => value !== undefined && value !== null && value !== false;
function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (isThere(value)) element.setAttribute(name, value);
  element.append(...children.flat().filter(isThere));
  return element;
}
const h = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) => build(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);

// ---- Numbers for humans; the exact ones are in the titles ----
const SPACE = '\u00a0';
const exact = (number) => number.toLocaleString('en-US');
const three = (number) => number.toFixed(number >= 100 ? 0 : number >= 10 ? 1 : 2);
/** Ticks and limits need no zeros at their end. */
const tidy = (text) => text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '');

/** 12,345,678 as `12.3 M`; what is short anyway stays exact. */
function short(number) {
  const rounded = Number(number.toPrecision(3));
  const [size, unit] = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']].find(([least]) => rounded >= least) ?? [1, ''];
  return number < 10_000 ? exact(Number(number.toPrecision(4))) : three(rounded / size) + SPACE + unit;
}

/** Microseconds in the unit that fits. */
function time(us) {
  const ms = us / 1000, seconds = Math.round(ms / 1000);
  if (us < 999.5) return `${Math.round(us)}${SPACE}µs`;
  if (ms < 999.5) return `${three(ms)}${SPACE}ms`;
  if (seconds < 120) return `${three(ms / 1000)}${SPACE}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}${SPACE}min ${seconds % 60}${SPACE}s`;
  return `${Math.floor(seconds / 3600)}${SPACE}h ${Math.floor((seconds % 3600) / 60)}${SPACE}min`;
}
const millis = (ms) => time(ms * 1000);
const perSecond = (number) => `${short(number)}/s`;
const cores = (value) => `${three(value)}${SPACE}cores`;
const plural = (number, noun) => `${exact(number)} ${noun}${number === 1 ? '' : 's'}`;

const titled = (text, title) => h('span', { title }, text);
const count = (number, noun = 'events') => titled(short(number), `${exact(number)} ${noun}`);
const rate = (number) => titled(perSecond(number), `${exact(number)} events a second`);
const length = (ms) => titled(millis(ms), `${exact(ms)} ms`);
const optional = (value, format) => (value === undefined ? '–' : format(value));
/** A latency that is not valid has a `~`, as it has in `kubectl get`. */
const latency = (us, by = validity) => titled((by === 'Valid' ? '' : '~') + time(us), `${exact(us)} µs, ${by}`);

/** Minutes and seconds since the first event. */
function clock(ms, hasTenths = false) {
  const tenths = Math.floor(Math.abs(ms) / 100), [hours, minutes, seconds] = [36_000, 600, 10].map((size) => Math.floor(tenths / size));
  const two = (number) => String(number % 60).padStart(2, '0');
  return `${ms < 0 ? '-' : ''}${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds)}${hasTenths ? `.${tenths % 10}` : ''}`;
}
const startedAt = Date.parse(series.startedAt);
const since = (text) => Date.parse(text) - startedAt;
const utc = (ms) => (Number.isNaN(ms) ? '?' : new Date(ms).toISOString().slice(11, 19));
const moment = (ms, hasTenths) => `${clock(ms, hasTenths)} · ${utc(startedAt + ms)} UTC`;

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
/** A sentence of the operator's, with a capital (but no name of a field), a full stop and separators in long numbers. */
function sentence(text) {
  const readable = text.replace(/(^|[\s(])(\d{4,})(?=[\s;,.)]|$)/g, (_, before, digits) => before + exact(Number(digits)));
  const isName = /^\w*[a-z.][A-Z.]\w/.test(readable);
  return (isName ? readable : capital(readable)) + (/[.!?]$/.test(readable) ? '' : '.');
}
/** `ContainerRestarted` as `container restarted`. */
const words = (name) => name.replace(/\B[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();

// ---- Parts of the page ----
function section(title, ...children) {
  const content = children.flat().filter(isThere);
  return content.length > 0 && h('section', {}, h('h2', {}, title), content);
}

/** Columns are `name` or `name|class`, separated by commas. The first cell of a row is its heading. */
function table(columns, rows, caption) {
  const [names, classes] = [0, 1].map((part) => columns.split(', ').map((column) => column.split('|')[part]));
  const head = h('tr', {}, names.map((name, at) => h('th', { scope: 'col', class: classes[at] }, name)));
  const cell = (value, at) => h(at ? 'td' : 'th', { scope: at ? undefined : 'row', class: classes[at] }, value);
  const body = rows.map((row) => h('tr', {}, row.map(cell)));
  return h('div', { class: 'scroll' }, h('table', {}, caption && h('caption', {}, caption), h('thead', {}, head), h('tbody', {}, body)));
}

/** Tables of name and value, as many beside each other as there is room for. */
const groups = (list) => h('div', { class: 'flow' }, list.map(([title, rows]) => h('table', {}, h('caption', {}, title),
  h('tbody', {}, rows.map(([name, value]) => h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)))))));

/** A count that should be zero. */
const zero = (number) => h('span', { class: number > 0 && 'bad', title: exact(number) }, short(number));

const VALIDITY = {
  Valid: 'The rate was reached and the generator kept its schedule.',
  Saturated: 'The cluster did not take the rate: they describe a queue that grew as long as the run went on, not the pipeline.',
  GeneratorBound: 'The producers themselves were too slow for their schedule: they describe the producers, not Kafka.',
  ClockSkewed: 'The clocks of the nodes differ by more than the latencies.',
  Inconclusive: 'There were too few samples, or some of them were lost.',
};
const TONE = { Valid: 'Pass', Ok: 'Pass', held: 'Pass', Breached: 'Fail', failed: 'Fail', NotEvaluated: 'Pending', running: 'Pending' };
const UPPER_BOUND = 'The producers were late, and nothing else was wrong: with producers on time the latencies would be shorter, so a limit that they keep is kept.';
const isUpperBound = status.latency?.upperBound;
const badge = (word, isBound = isUpperBound && word === validity) =>
  h('span', { class: `badge ${TONE[word] ?? 'Inconclusive'}`, title: isBound ? UPPER_BOUND : VALIDITY[word] }, word === 'NotEvaluated' ? 'not judged' : word);
/** A rate that held without valid latencies kept its objectives with late producers. */
const probeBadge = ({ validity: word, held }) => badge(word, held && word !== 'Valid');
