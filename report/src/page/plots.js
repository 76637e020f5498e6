// The plots: over time, of all latencies, of the steps of a search.

const end = points.at(-1)?.atMs ?? 0;
const warmupMs = status.measureStartTime ? since(status.measureStartTime) : spec.producer.warmupSeconds * 1000;
// A fault that was refused or only planned touched nothing.
const isInjected = ({ state, injectedAtMs }) => !['Refused', 'Planned', 'Intended'].includes(state) && injectedAtMs < end;
const injected = faults.map((fault, index) => ({ ...fault, sign: `F${index + 1}` })).filter(isInjected);
const disturbed = disturbances.map((one) => ({ ...one, ms: since(one.startedAt) })).filter(({ ms }) => ms >= 0 && ms <= end);
const member = ({ component, slot }) => `${component} ${slot}`;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 172_800].map((seconds) => seconds * 1000);

/** Warm-up, faults, disturbances and the time axis: the same behind every plot over time. */
function backdrop(frame) {
  const { svg, x0, x1, y0, y1 } = frame;
  const scale = linear(0, end, x0, x1);
  const x = (ms) => scale(Math.min(Math.max(ms, 0), end));
  const band = (from, to, style) => s('rect', { class: style, x: x(from), y: y0, width: Math.max(x(to) - x(from), 1), height: y1 - y0 });
  const mark = (ms, style) => s('line', { class: style, x1: x(ms), x2: x(ms), y1: y0, y2: y1 });
  if (warmupMs > 0) svg.append(band(0, warmupMs, 'warmup'));
  svg.append(...injected.map(({ injectedAtMs, recoveredAtMs = end }) => band(injectedAtMs, recoveredAtMs, 'fault')));
  // Edges of many faults would hide the lines.
  if (injected.length * 12 < x1 - x0) svg.append(...injected.map(({ injectedAtMs }) => mark(injectedAtMs, 'fault-edge')));
  svg.append(...disturbed.map(({ ms }) => mark(ms, 'disturbance')));
  const names = injected.map(({ sign, type, injectedAtMs }) => ({ x: x(injectedAtMs), text: `${sign} ${type}`, short: sign, style: 'fault-name' }));
  nameStrip(frame, warmupMs > 0 ? [{ x: x0, text: 'warm-up' }, ...names] : names, 1);
  const step = STEPS.find((one) => (end / one) * 62 < x1 - x0) ?? end;
  xAxis(frame, steps(0, end, step).map((ms) => [ms, clock(ms)]), x);
  return x;
}

/** What went on at a moment. */
function around(ms) {
  const isAtWork = ({ injectedAtMs, recoveredAtMs = end }) => injectedAtMs <= ms && ms <= recoveredAtMs;
  const isNear = (one) => Math.abs(one.ms - ms) <= Math.max(series.intervalMs, end / 300);
  return [
    ...injected.filter(isAtWork).map(({ sign, type, victim }) => `${sign} ${type}: ${victim}`),
    ...disturbed.filter(isNear).map((one) => `${member(one)}: ${words(one.cause)}`),
  ];
}

/** Lines over time, each [name, class, value of a point]. `limits` are [value, text]; `cap` is a natural end of the axis. */
function timePlot({ lines, limits = [], format, axis = format, isLog, cap, ...plot }) {
  const drawn = lines.filter(([, , of]) => points.some((point) => of(point) !== undefined));
  if (points.length < 2 || drawn.length === 0) return undefined;
  const values = drawn.flatMap(([, , of]) => points.map(of)).filter((value) => value !== undefined && (!isLog || value > 0));
  const max = Math.max(...values, 0);
  // A limit far above everything would flatten the lines.
  const near = limits.filter(([value]) => value <= max * (isLog ? 12 : 1.6));
  const top = cap ?? (Math.max(max, ...near.map(([value]) => value)) || 1);
  const paint = (frame) => {
    const { svg, x0, x1, y0, y1 } = frame;
    const x = backdrop(frame);
    const { from, to, ticks } = isLog ? logTicks(Math.min(...values, top), top) : linearTicks(top, Math.floor((y1 - y0) / 36));
    const y = (isLog ? logarithmic : linear)(from, to, y1, y0);
    yAxis(frame, ticks, y, axis);
    svg.append(...drawn.map(([, style, of]) => line(withGaps(of), x, y, style)));
    svg.append(...near.flatMap(([value, text]) => [
      s('line', { class: 'limit', x1: x0, x2: x1, y1: y(value), y2: y(value) }),
      s('text', { class: 'halo', x: x0 + 4, y: y(value) + (y(value) < y0 + 16 ? 14 : -5) }, text),
    ]));
    return points.map((point) => {
      const known = drawn.filter(([, , of]) => of(point) !== undefined);
      const tell = () => [moment(point.atMs), known.map(([name, style, of]) => [name, format(of(point)), style]), around(point.atMs)];
      return { x: x(point.atMs), dots: known.map(([, style, of]) => [y(of(point)), style]), tell };
    });
  };
  const summary = drawn.map(([name, , of]) => `${name} at most ${format(Math.max(...points.map((point) => of(point) ?? 0)))}`).join(', ');
  return addPlot({ isTimed: true, key: drawn.length > 1 ? drawn.map(([name, style]) => [name, style]) : [], summary, height: 190, ...plot, paint });
}

function timePlots() {
  const { endToEndP99Ms, maxLagRecords } = spec.slo ?? {};
  const target = status.producers?.targetRatePerSecond;
  const pods = spec.producer.replicas + spec.counter.replicas;
  const limit = (value, text, format) => (value ? [[value, `${text} ${tidy(format(value))}`]] : []);
  const cpu = (key) => (point) => (point.cpu[key] === undefined ? undefined : point.cpu[key] / 1000);
  return [
    timePlot({ id: 'rate', title: 'Rate', unit: 'events a second', format: perSecond, axis: short, height: 230, limits: limit(target, 'wanted', perSecond),
      lines: [['counted', 'counts thick', (point) => point.countedPerSecond], ['sent', 'sends', (point) => point.sentPerSecond]] }),
    timePlot({ id: 'latency', title: 'Latency', unit: 'log scale', badge: validity && badge(validity), format: time, isLog: true, height: 250,
      limits: limit(endToEndP99Ms && endToEndP99Ms * 1000, 'p99 limit', time),
      lines: [
        ['end-to-end max', 'counts dots', (point) => point.endToEnd?.maxUs], ['end-to-end p99', 'counts thick', (point) => point.endToEnd?.p99Us],
        ['end-to-end p50', 'counts thin', (point) => point.endToEnd?.p50Us], ['response p99', 'sends dash', (point) => point.response?.p99Us],
      ] }),
    timePlot({ id: 'lag', title: 'Lag', unit: 'events that wait to be counted', format: short, limits: limit(maxLagRecords, 'limit', short),
      lines: [['events', 'counts', (point) => point.lagRecords]] }),
    timePlot({ id: 'lag-age', title: 'Lag', unit: 'age of the oldest event', format: millis, height: 160, lines: [['age', 'counts', (point) => point.lagMs]] }),
    pauseRows(),
    timePlot({ id: 'cpu', title: 'CPU of the load pods', unit: 'cores', format: cores, axis: (value) => value.toFixed(2), height: 160,
      lines: [['producers', 'sends dash', cpu('producersMillicores')], ['counters', 'counts', cpu('countersMillicores')]] }),
    timePlot({ id: 'node', title: 'CPU of the busiest node', unit: 'percent of all its cores', format: (value) => `${value}${SPACE}%`, cap: 100, height: 130,
      lines: [['node', 'plain', (point) => point.cpu.nodePercent]] }),
    timePlot({ id: 'ready', title: 'Ready pods', unit: 'producers and counters', format: String, height: 110, limits: limit(pods, 'wanted', String),
      lines: [['ready', 'plain', (point) => point.ready]] }),
  ].filter(Boolean);
}

function overTime() {
  const drawn = timePlots();
  if (drawn.length === 0) return undefined;
  const cut = series.isCut ? ' The run took longer than there is room for: its end is missing.' : '';
  const note = `In minutes and seconds since the first event, at ${utc(startedAt)} UTC.${cut}`;
  const signs = [
    warmupMs > 0 && ['warm-up', 'warmup', 'bar'],
    injected.length > 0 && ['fault, until everything was steady again', 'fault', 'bar'],
    disturbed.length > 0 && ['a pod restarted, replaced or scaled', 'disturbance', 'mark'],
  ];
  return section('Over time', h('p', { class: 'note' }, note), legend(signs), drawn);
}

/** One row for each partition, a bar for each pause. */
function pauseRows() {
  if (pauses.length === 0 || points.length < 2) return undefined;
  const sorted = [...pauses].sort((a, b) => a.endedAtMs - a.lengthMs - (b.endedAtMs - b.lengthMs));
  const all = steps(0, spec.topic.partitions - 1, 1);
  const rows = all.length <= 32 ? all : all.filter((partition) => pauses.some((pause) => pause.partition === partition));
  const height = rows.length <= 24 ? 16 : rows.length <= 64 ? 9 : 5;
  const isMoved = (pause) => pause.memberBefore !== pause.memberAfter;
  const paint = (frame) => {
    const { svg, x0, x1, y0 } = frame;
    const x = backdrop(frame), y = (partition) => y0 + (rows.indexOf(partition) + 0.5) * height;
    const named = rows.filter((_, index) => index % Math.ceil(13 / height) === 0);
    svg.append(...rows.map((partition) => s('line', { class: 'grid', x1: x0, x2: x1, y1: y(partition), y2: y(partition) })));
    svg.append(...named.map((partition) => s('text', { x: x0 - 8, y: y(partition) + 4, 'text-anchor': 'end' }, String(partition))));
    return sorted.map((pause) => {
      const { partition, endedAtMs, lengthMs, memberBefore, memberAfter } = pause;
      const from = x(endedAtMs - lengthMs), width = Math.max(x(endedAtMs) - from, 2);
      const box = { x: from, y: y(partition) - height * 0.32, width, height: height * 0.64 };
      svg.append(s('rect', { class: `mark counts ${isMoved(pause) ? 'moved' : 'bar'}`, ...box }));
      const members = isMoved(pause) ? [['before', memberBefore], ['after', memberAfter]] : [['counter', memberAfter]];
      const tell = () => [`Partition ${partition}: ${millis(lengthMs)}`, [['until', moment(endedAtMs, true)], ...members], around(endedAtMs - lengthMs)];
      return { x: from + width / 2, y: y(partition), tell };
    });
  };
  const total = status.pauses?.count ?? 0;
  const unit = total > pauses.length ? `the longest ${pauses.length} of ${exact(total)}, by partition` : 'not counted although events waited, by partition';
  const key = [['same counter afterwards', 'counts bar', 'bar'], pauses.some(isMoved) && ['another counter', 'counts moved', 'bar']];
  return addPlot({ id: 'pauses', title: 'Pauses', unit, isTimed: true, key, height: rows.length * height + 46, summary: plural(pauses.length, 'pause'), paint });
}

// ---- Latencies of the whole run ----
const KINDS = [
  { key: 'endToEnd', name: 'End to end', style: 'counts', meaning: 'intended send to acknowledged count in Redis' },
  { key: 'response', name: 'Response', style: 'sends dash', meaning: 'intended send to acknowledgement' },
  { key: 'service', name: 'Service', style: 'serves', meaning: 'actual send to acknowledgement' },
];

function latencies() {
  const quantiles = ({ p50Us, p99Us, p999Us, maxUs }) => [p50Us, p99Us, p999Us, maxUs].map((us) => latency(us));
  const known = KINDS.filter(({ key }) => status.latency?.[key]);
  const rows = known.map(({ key, name, meaning }) => [name, ...quantiles(status.latency[key]), badge(validity), meaning]);
  const columns = 'Latency|nowrap, p50|num, p99|num, p99.9|num, Max|num, Validity, From and to|text';
  const caption = `${exact(status.latency?.samples ?? 0)} end-to-end samples after the warm-up`;
  return section('Latency', rows.length > 0 && table(columns, rows, caption), percentiles());
}

/** The bins with the share of the events up to their bounds, from where none is. */
function cumulated(bins = []) {
  const total = bins.reduce((sum, bin) => sum + bin.count, 0);
  let below = 0;
  const bounds = bins.map(({ upToUs, count }) => ({ us: upToUs, share: (below += count) / total }));
  return total > 0 ? [{ us: Math.max(bins[0].upToUs / 10 ** 0.05, 1), share: 0 }, ...bounds] : [];
}

/** The latency that a share of the events kept; by the bins, and never above the largest. */
function quantile({ bounds, key }, share) {
  const index = Math.max(bounds.findIndex((bound) => bound.share >= share), 1);
  const [low, high] = [bounds[index - 1], bounds[index]];
  return Math.min(linear(low.share, high.share, low.us, high.us)(share), status.latency?.[key]?.maxUs ?? Infinity);
}

function percentiles() {
  const kinds = KINDS.map((kind) => ({ ...kind, bounds: cumulated(distribution[kind.key]) })).filter(({ bounds }) => bounds.length > 0);
  if (kinds.length === 0) return undefined;
  // The axis stretches towards 100 %: each step is to a tenth of the events that the step before left.
  const nines = (share) => -Math.log10(1 - share);
  const most = Math.min(Math.max(Math.floor(Math.log10(status.latency?.samples || 100)), 2), 6);
  const name = (nine) => `${(100 - 10 ** (2 - nine)).toFixed(Math.max(nine - 2, 0))} %`;
  const paint = (frame) => {
    const log = logTicks(Math.min(...kinds.map((kind) => kind.bounds[0].us)), Math.max(...kinds.map((kind) => kind.bounds.at(-1).us)));
    const x = linear(0, most, frame.x0, frame.x1), y = logarithmic(log.from, log.to, frame.y1, frame.y0);
    yAxis(frame, log.ticks, y, time);
    xAxis(frame, [[0, '0 %'], [nines(0.5), '50 %'], ...steps(1, most, 1).map((nine) => [nine, name(nine)])], x);
    const curve = (kind) => steps(0, most, 0.05).map((nine) => [nine, quantile(kind, 1 - 10 ** -nine)]);
    frame.svg.append(...kinds.map((kind) => line(curve(kind), x, y, kind.style)));
    const stops = [0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 0.999999].filter((share) => nines(share) <= most + 0.001);
    return stops.map((share) => {
      const values = kinds.map((kind) => ({ ...kind, us: quantile(kind, share) }));
      const tell = () => [`${Number((share * 100).toFixed(4))} % took at most`, values.map(({ name, us, style }) => [name, time(us), style])];
      return { x: x(nines(share)), dots: values.map(({ us, style }) => [y(us), style]), tell };
    });
  };
  const key = kinds.map(({ name, style }) => [name, style]), unit = 'the latency that a share of the events kept, log scales';
  return addPlot({ id: 'percentiles', title: 'Percentiles', unit, badge: badge(validity ?? 'Inconclusive'), key, height: 270, top: 8, paint });
}

// ---- The ceiling ----
function ceiling() {
  const probes = status.ceiling?.probes ?? [];
  const rows = probes.map((probe, index) => [
    String(index + 1), titled(exact(probe.ratePerSecond), probe.name), probe.purpose, badge(outcome(probe)),
    optional(probe.endToEndP99Us, (us) => latency(us, probe.validity)), probe.held === undefined ? '–' : probeBadge(probe), count(probe.peakLagRecords),
    optional(probe.bottleneck, ({ component, because = [] }) => titled(component, because.join('; '))), probe.reason ? sentence(probe.reason) : '',
  ]);
  const columns = '#|num, Rate/s|num, Purpose, Result, End-to-end p99|num, Validity, Peak lag|num, Bound by, Why it failed|text';
  return rows.length > 0 && section('The search', ceilingPlot(probes), table(columns, rows));
}

function ceilingPlot(probes) {
  const { ratePerSecond: held, failedRatePerSecond: failed } = status.ceiling;
  const rates = probes.map((probe) => probe.ratePerSecond);
  const paint = (frame) => {
    const { svg, x0, x1, y0, y1 } = frame;
    const log = logTicks(Math.max(Math.min(...rates) * 0.9, 1), Math.max(...rates) * 1.1);
    const x = linear(0.5, probes.length + 0.5, x0, x1), y = logarithmic(log.from, log.to, y1, y0);
    yAxis(frame, log.ticks, y, short);
    xAxis(frame, probes.map((_, index) => [index + 1, String(index + 1)]), x);
    const named = probes.map(({ purpose }, index) => ({ x: x(index + 0.5), text: purpose }));
    const starts = named.filter(({ text }, index) => text !== named[index - 1]?.text);
    svg.append(...starts.slice(1).map((start) => s('line', { class: 'axis', x1: start.x, x2: start.x, y1: y0, y2: y1 })));
    nameStrip(frame, starts, 3);
    // The two are close together: one is named above its line, the other below.
    for (const [rate, shift, word] of [[failed, -3, 'failed'], [held, 11, 'held']].filter(([known]) => known !== undefined)) {
      svg.append(s('line', { class: 'limit', x1: x0, x2: x1, y1: y(rate), y2: y(rate) }),
        s('text', { x: x1 + 6, y: y(rate) + shift }, `${tidy(short(rate))} ${word}`));
    }
    svg.append(line(probes.map((probe, index) => [index + 1, probe.ratePerSecond]), x, y, 'plain thin'));
    return probes.map((probe, index) => {
      const cx = x(index + 1), cy = y(probe.ratePerSecond);
      svg.append(probe.held === false ? s('path', { class: 'mark cross', d: `M${cx - 4} ${cy - 4}l8 8M${cx + 4} ${cy - 4}l-8 8` })
        : s('circle', { class: `mark counts ${probe.held ? 'bar' : 'moved'}`, cx, cy, r: 5 }));
      const p99 = probe.endToEndP99Us === undefined ? [] : [['end-to-end p99', [latency(probe.endToEndP99Us, probe.validity), ` (${probe.validity})`]]];
      const notes = probe.reason ? [sentence(probe.reason)] : [];
      return { x: cx, tell: () => [`${probe.name}: ${perSecond(probe.ratePerSecond)}`, [[probe.purpose, outcome(probe)], ...p99], notes] };
    });
  };
  const unit = 'events a second, log scale, one run after another: ● held, ✕ failed';
  return addPlot({ id: 'ceiling', title: 'Rates that were tried', unit, height: 330, top: 48, right: 88, summary: plural(probes.length, 'run'), paint });
}
