// Looks at a report's page in a browser.
//
//   node check.mjs PAGE.html [--screenshots DIR]
//
// CHROMIUM names the browser, /usr/bin/chromium by default.
import { mkdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };
const SCHEMES = ['light', 'dark'];

/** Which plots a report must show. */
function expectedPlots({ series, distribution, pauses, status }) {
  const some = (of) => series.points.length > 1 && series.points.some((point) => of(point) !== undefined);
  const plots = {
    rate: some(() => 1),
    latency: some((point) => (point.endToEnd ?? point.response)?.p99Us),
    lag: some((point) => point.lagRecords),
    'lag-age': some((point) => point.lagMs),
    pauses: pauses.length > 0 && some(() => 1),
    cpu: some((point) => point.cpu.producersMillicores ?? point.cpu.countersMillicores),
    node: some((point) => point.cpu.nodePercent),
    ready: some((point) => point.ready),
    percentiles: Object.values(distribution).some((bins) => bins.length > 0),
    ceiling: (status.ceiling?.probes ?? []).length > 0,
  };
  return Object.keys(plots).filter((name) => plots[name]).sort();
}

/** Runs in the page: what is drawn, and what is wrong with it. */
function inspect() {
  const problems = [];
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2.5;
  const figures = [...document.querySelectorAll('figure[data-plot]')];
  for (const figure of figures) {
    const svg = figure.querySelector('.canvas > svg');
    const say = (what) => problems.push(`plot ${figure.dataset.plot}: ${what}`);
    const visible = [...svg.querySelectorAll('.mark')].filter((mark) => {
      const { width, height } = mark.getBoundingClientRect();
      return width > 0 || height > 0;
    });
    if (visible.length === 0) say('nothing is drawn');
    for (const element of svg.querySelectorAll('*')) {
      for (const { name, value } of element.attributes) {
        if (/NaN|Infinity|undefined|null/.test(value)) say(`${element.tagName} ${name}="${value}"`);
      }
    }
    const frame = svg.getBoundingClientRect();
    const texts = [...svg.querySelectorAll('text')].map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    texts.forEach(({ text, box }, index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1) say(`"${text}" is cut off`);
      for (const other of texts.slice(index + 1)) if (overlap(box, other.box)) say(`"${text}" covers "${other.text}"`);
    });
  }
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    const wide = [...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll') && one.getBoundingClientRect().right > page.clientWidth + 1);
    problems.push(`the page scrolls sideways: ${page.scrollWidth} > ${page.clientWidth}, ${wide.slice(0, 5).map((one) => one.tagName + '.' + one.className).join(' ')}`);
  }
  if (/undefined|NaN|\[object/.test(document.body.innerText)) problems.push(`the text has a hole: ${document.body.innerText.match(/.{0,40}(undefined|NaN|\[object).{0,40}/)[0]}`);
  const word = document.querySelector('.verdict .word')?.getBoundingClientRect();
  if (!word || word.width === 0 || word.top < 0 || word.bottom > innerHeight || word.right > innerWidth) problems.push('the verdict is not in the first view');
  return { problems, plots: figures.map((figure) => figure.dataset.plot).sort(), verdict: document.querySelector('.verdict .word')?.textContent };
}

/** The pointer and the keyboard both get values out of a plot. */
async function touch(page, name) {
  const problems = [];
  const svg = page.locator(`figure[data-plot="${name}"] .canvas > svg`);
  const tip = page.locator(`figure[data-plot="${name}"] .tip`);
  await svg.scrollIntoViewIfNeeded();
  const box = await svg.boundingBox();
  await page.mouse.move(box.x + box.width * 0.6, box.y + box.height * 0.5);
  if (!/\d/.test(await tip.innerText())) problems.push(`plot ${name}: the pointer shows no value`);
  const place = await tip.boundingBox();
  if (place && (place.x < 0 || place.x + place.width > page.viewportSize().width)) problems.push(`plot ${name}: the values leave the page`);
  await page.mouse.move(0, 0);
  await svg.focus();
  await page.keyboard.press('ArrowRight');
  if (!(await tip.isVisible())) problems.push(`plot ${name}: the keyboard shows no value`);
  await page.keyboard.press('Escape');
  if (await tip.isVisible()) problems.push(`plot ${name}: Escape does not hide the values`);
  return problems;
}

async function look(browser, path, size, scheme, screenshots) {
  const url = pathToFileURL(path).href;
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, offline: true });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(`script: ${error.message}`));
  page.on('request', (request) => request.url() !== url && !request.url().startsWith('data:') && problems.push(`request: ${request.url()}`));
  await page.goto(url);
  // Plots are drawn once their width is known.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  if (screenshots) await page.screenshot({ path: join(screenshots, `${basename(path, '.html')}-${size}-${scheme}.png`), fullPage: true });
  const report = JSON.parse(await page.locator('#data').textContent());
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => details.toggleAttribute('open', true)));
  const seen = await page.evaluate(inspect);
  problems.push(...seen.problems);
  const expected = expectedPlots(report);
  if (seen.plots.join() !== expected.join()) problems.push(`plots are ${seen.plots.join(' ')}; expected ${expected.join(' ')}`);
  if (seen.verdict !== report.status.verdict) problems.push(`the verdict reads ${seen.verdict}`);
  for (const name of scheme === 'light' ? seen.plots : []) problems.push(...(await touch(page, name)));
  await context.close();
  return problems.map((problem) => `${size}, ${scheme}: ${problem}`);
}

const args = process.argv.slice(2);
const option = (name) => (args.includes(name) ? args.splice(args.indexOf(name), 2)[1] : undefined);
const screenshots = option('--screenshots');
if (args.length !== 1) {
  console.error('usage: node check.mjs PAGE.html [--screenshots DIR]');
  process.exit(2);
}
const path = resolve(args[0]);
if (screenshots) mkdirSync(screenshots, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const problems = [];
try {
  for (const size of Object.keys(SIZES)) {
    for (const scheme of SCHEMES) problems.push(...(await look(browser, path, size, scheme, screenshots)));
  }
} finally {
  await browser.close();
}
problems.forEach((problem) => console.error(problem));
console.log(`${basename(path)}: ${problems.length === 0 ? 'good' : `${problems.length} problems`}`);
process.exit(problems.length === 0 ? 0 : 1);
