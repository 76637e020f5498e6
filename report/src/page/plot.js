// A plot: its frame, its axes, its cursor.

const plots = [];
const ruler = document.createElement('canvas').getContext('2d');
ruler.font = `600 11.5px ${getComputedStyle(document.body).fontFamily}`;
const textWidth = (text) => ruler.measureText(text).width;

const observer = new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => {
  const plot = plots.find((one) => one.canvas === target), width = Math.round(contentRect.width);
  if (width > 0 && width !== plot.width) draw(plot, width);
}));

/**
 * A figure. `paint(frame)` draws it and gives the stops of the cursor: {x, y, dots, tell}, where `tell` gives the values
 * there as [head, rows, notes]. Plots that are `isTimed` share their x axis, hence their cursor.
 */
function addPlot(plot) {
  const label = [plot.title, plot.unit, plot.summary, 'Arrow keys read the values.'].filter(Boolean).join('. ');
  plot.svg = s('svg', { tabindex: '0', role: 'img', 'aria-label': label });
  plot.tip = h('div', { class: 'tip', hidden: '', role: 'status' });
  plot.canvas = h('div', { class: 'canvas' }, plot.svg, plot.tip);
  plots.push(plot);
  observer.observe(plot.canvas);
  listen(plot);
  const title = h('h3', {}, plot.title, h('small', {}, plot.unit), plot.badge);
  return h('figure', { 'data-plot': plot.id }, h('figcaption', {}, title, legend(plot.key)), plot.canvas);
}

const SAMPLES = {
  line: (style) => s('path', { class: `line ${style}`, d: 'M1 6h20' }),
  bar: (style) => s('rect', { class: style, x: 2, y: 2, width: 18, height: 8 }),
  mark: (style) => s('line', { class: style, x1: 11, x2: 11, y1: 0, y2: 12 }),
};
const sample = (style, shape = 'line') => s('svg', { class: 'sample', viewBox: '0 0 22 12', 'aria-hidden': 'true' }, SAMPLES[shape](style));
/** Entries are [name, class, shape]. */
const legend = (entries = []) => h('div', { class: 'key' }, entries.filter(Boolean).map(([name, ...look]) => h('span', {}, sample(...look), name)));

function draw(plot, width) {
  plot.width = width;
  plot.svg.replaceChildren();
  build(plot.svg, { viewBox: `0 0 ${width} ${plot.height}`, width, height: plot.height }, []);
  plot.frame = { svg: plot.svg, x0: 54, x1: width - (plot.right ?? 16), y0: plot.top ?? 20, y1: plot.height - 22 };
  plot.stops = plot.paint(plot.frame);
  plot.cursor = s('g', { class: 'cursor' });
  plot.svg.append(plot.cursor);
  hide();
}

const linear = (d0, d1, r0, r1) => (value) => r0 + ((value - d0) / (d1 - d0 || 1)) * (r1 - r0);
const logarithmic = (d0, d1, r0, r1) => (value) => linear(Math.log10(d0), Math.log10(d1), r0, r1)(Math.log10(Math.max(value, d0)));
const steps = (from, to, step) => Array.from({ length: Math.floor((to - from) / step + 1.000001) }, (_, index) => from + index * step);
/** At most `most` round steps, the last at `max` or above. */
function linearTicks(max, most) {
  const size = 10 ** Math.floor(Math.log10(max / most));
  const step = [1, 2, 5, 10, 20].map((factor) => factor * size).find((one) => Math.ceil(max / one - 1e-9) <= most);
  const to = Math.ceil(max / step - 1e-9) * step;
  return { from: 0, to, ticks: steps(0, to, step) };
}

/** The marks 1, 2 and 5 of each decade that enclose the values; only the decades if these are enough. */
function logTicks(min, max) {
  const all = [];
  for (let size = 10 ** Math.floor(Math.log10(min)); size < max * 10; size *= 10) all.push(size, 2 * size, 5 * size);
  const first = all.findLastIndex((tick) => tick <= min), last = all.findIndex((tick) => tick >= max);
  const around = all.slice(first, Math.max(last, first + 1) + 1);
  const decades = around.filter((_, index) => (first + index) % 3 === 0);
  return { from: around[0], to: around.at(-1), ticks: decades.length >= 3 ? decades : around };
}

function yAxis({ svg, x0, x1 }, ticks, y, format) {
  svg.append(...ticks.flatMap((tick) => [
    s('line', { class: 'grid', x1: x0, x2: x1, y1: y(tick), y2: y(tick) }),
    s('text', { x: x0 - 8, y: y(tick) + 4, 'text-anchor': 'end' }, tick === 0 ? '0' : tidy(format(tick))),
  ]));
}

/** Ticks are [value, text]; a text that would touch the one before is left out. */
function xAxis({ svg, x0, x1, y1 }, ticks, x) {
  let free = -Infinity;
  svg.append(s('line', { class: 'axis', x1: x0, x2: x1, y1, y2: y1 }));
  for (const [value, text] of ticks) {
    const half = textWidth(text) / 2, middle = Math.min(x(value), x1 + 16 - half), isFree = middle - half >= free;
    svg.append(s('line', { class: 'axis', x1: x(value), x2: x(value), y1, y2: y1 + 4 }));
    if (isFree) svg.append(s('text', { x: middle, y: y1 + 17, 'text-anchor': 'middle' }, text));
    if (isFree) free = middle + half + 8;
  }
}

/** A line through [x, y] values; it breaks where a value is missing, and a lonely value is a dot. */
function pathOf(values, x, y) {
  const isKnown = (index) => values[index]?.[1] !== undefined;
  return values.map(([place, value], index) => {
    if (!isKnown(index)) return '';
    const to = `${x(place).toFixed(1)} ${y(value).toFixed(1)}`;
    return isKnown(index - 1) ? `L${to}` : `M${to}${isKnown(index + 1) ? '' : 'h.01'}`;
  }).join('');
}
const line = (values, x, y, style) => s('path', { class: `line mark ${style}`, d: pathOf(values, x, y) });

/** Values at the ends of the points; where nobody looked between two points, one that is missing. */
const withGaps = (of) => points.flatMap((point, index) => [
  ...(index > 0 && point.fromMs > points[index - 1].atMs ? [[point.fromMs, undefined]] : []),
  [point.atMs, of(point)],
]);

/** Names above the plot, from left to right, on as many levels as may be; all of them short if they do not fit. */
function nameStrip({ svg, x1, y0 }, labels, levels) {
  const place = (isShort) => {
    const free = Array(levels).fill(-Infinity);
    return labels.map(({ x: wanted, text: long, short = long, style }) => {
      const text = isShort ? short : long, width = textWidth(text), x = Math.min(wanted, x1 - width);
      const level = free.findIndex((end) => x >= end + 7);
      if (level >= 0) free[level] = x + width;
      return level >= 0 && s('text', { x, y: y0 - 6 - level * 13, class: style }, text);
    });
  };
  const long = place(false);
  svg.append(...(long.every(Boolean) ? long : place(true).filter(Boolean)));
}

function listen(plot, { svg } = plot) {
  const nearest = (event) => {
    const { left, top } = svg.getBoundingClientRect();
    const distance = ({ x, y }) => Math.abs(x + left - event.clientX) + (y === undefined ? 0 : 4 * Math.abs(y + top - event.clientY));
    return plot.stops.reduce((best, stop, index) => (distance(stop) < distance(plot.stops[best]) ? index : best), 0);
  };
  for (const name of ['pointermove', 'pointerdown']) svg.addEventListener(name, (event) => select(plot, nearest(event)));
  // A finger that is lifted leaves the values to be read.
  svg.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && hide());
  svg.addEventListener('blur', hide);
  svg.addEventListener('keydown', (event) => {
    const last = plot.stops.length - 1, far = event.shiftKey ? 10 : 1;
    const to = { ArrowRight: (plot.at ?? -1) + far, ArrowLeft: (plot.at ?? last + 1) - far, Home: 0, End: last }[event.key];
    if (event.key === 'Escape') hide();
    if (to === undefined) return;
    event.preventDefault();
    select(plot, Math.min(Math.max(to, 0), last));
  });
}

const hide = () => plots.forEach((plot) => {
  plot.cursor?.replaceChildren();
  plot.tip.hidden = true;
  plot.at = undefined;
});

function select(plot, index) {
  const stop = plot.stops[index];
  hide();
  plot.at = index;
  for (const other of plot.isTimed ? plots.filter((one) => one.isTimed && one.cursor) : [plot]) {
    other.cursor.append(s('line', { x1: stop.x, x2: stop.x, y1: other.frame.y0, y2: other.frame.y1 }));
  }
  plot.cursor.append(...(stop.dots ?? []).map(([y, style]) => s('circle', { class: style.split(' ')[0], cx: stop.x, cy: y, r: 4 })));
  const [head, rows, notes = []] = stop.tell();
  const row = ([name, value, style]) => h('div', {}, h('span', {}, style && sample(style), name), h('span', {}, value));
  plot.tip.replaceChildren(h('b', {}, head), ...rows.map(row), ...notes.map((note) => h('div', {}, note)));
  const isRight = stop.x > plot.width / 2;
  plot.tip.style.left = isRight ? 'auto' : `${stop.x + 14}px`;
  plot.tip.style.right = isRight ? `${plot.width - stop.x + 14}px` : 'auto';
  plot.tip.hidden = false;
}
