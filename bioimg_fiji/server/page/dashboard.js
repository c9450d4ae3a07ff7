// The dashboard: asks the server's routes every second while the page is seen, and shows what they say.
// No data is in the page itself, and nothing is ever written as HTML: only as text, attributes and pixels.

const KEY = "bioimg-session";
const SVG = "http://www.w3.org/2000/svg";
const JOBS_MS = 1000;
const LOG_MS = 3000;
const MACHINE_MS = 10_000;
const MODELS_MS = 30_000;
const ENDED = new Set(["done", "failed", "cancelled"]);
const WORDS = { queued: "waiting", running: "running", done: "done", failed: "failed", cancelled: "cancelled" };

const at = (id) => document.getElementById(id);
const state = { jobs: [], chosen: null, followed: true, live: null, liveOf: "", seen: new Map(), due: {}, open: false };

// ---- asking the server

class Refused extends Error {
  constructor(status, error) {
    super([error.message, error.fix].filter(Boolean).join(" "));
    this.status = status;
  }
}

async function ask(method, path, body) {
  const headers = { "X-BioImg-Session": localStorage.getItem(KEY) ?? "" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method, headers, cache: "no-store", body: body && JSON.stringify(body) });
  const text = await answer.text();
  const told = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Refused(answer.status, told.error ?? { message: `The server answered ${answer.status}.` });
  return told;
}

// ---- logging in and out

async function logIn(code) {
  at("login-error").textContent = "";
  try {
    const { key } = await ask("POST", "/v1/dashboard/login", { code });
    localStorage.setItem(KEY, key);
    at("code").value = "";
    open();
  } catch (error) {
    shut();
    at("login-error").textContent = error instanceof Refused ? error.message : "The server does not answer.";
  }
}

function open() {
  state.open = true;
  state.due = {};
  at("login").hidden = true;
  at("board").hidden = at("logout").hidden = false;
  tick();
}

function shut() {
  state.open = false;
  localStorage.removeItem(KEY);
  at("board").hidden = at("logout").hidden = true;
  at("login").hidden = false;
  at("ask").close();
  at("code").focus();
}

// ---- the clock

async function tick() {
  if (!state.open || document.hidden) return;
  try {
    await Promise.all([due("jobs", JOBS_MS, showJobs), due("log", LOG_MS, showLog), due("machine", MACHINE_MS, showMachine),
      due("models", MODELS_MS, showModels)]);
    trouble("");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) shut();
    else trouble(error instanceof Refused ? error.message : "The server does not answer. Trying again…");
  }
}

async function due(name, every, work) {
  const now = performance.now();
  if (now < (state.due[name] ?? 0)) return;
  state.due[name] = Infinity; // one at a time: the look at a machine may take seconds
  try {
    await work();
  } finally {
    state.due[name] = now + every - 50;
  }
}

function trouble(text) {
  at("trouble").hidden = !text;
  if (at("trouble").textContent !== text) at("trouble").textContent = text;
}

// ---- jobs

async function showJobs() {
  state.jobs = (await ask("GET", "/v1/jobs")).jobs;
  announce();
  choose();
  listJobs();
  await showJob();
}

function announce() {
  const news = [];
  for (const job of state.jobs) {
    const before = state.seen.get(job.id);
    if (before !== undefined && before !== job.state) news.push(`${title(job)}: ${WORDS[job.state]}.`);
    state.seen.set(job.id, job.state);
  }
  if (news.length) at("said").textContent = news.join(" ");
}

function choose() {
  const known = state.jobs.some((job) => job.id === state.chosen);
  if (known && !state.followed) return;
  // Nobody has chosen: what runs is the most interesting, then the newest.
  state.chosen = (state.jobs.find((job) => job.state === "running") ?? state.jobs[0])?.id ?? null;
  state.followed = true;
}

function listJobs() {
  const running = state.jobs.filter((job) => job.state === "running").length;
  const waiting = state.jobs.filter((job) => job.state === "queued").length;
  const counts = [[running, "running"], [waiting, "waiting"], [state.jobs.length - running - waiting, "ended"]];
  put("jobs-count", counts.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", "));
  at("no-jobs").hidden = state.jobs.length > 0;
  at("board").classList.toggle("nothing", !state.jobs.length);
  const list = at("jobs");
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  state.jobs.forEach((job, place) => {
    const row = rows.get(job.id) ?? newRow(job);
    rows.delete(job.id);
    fillRow(row, job);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  rows.forEach((row) => row.remove());
}

function newRow(job) {
  const row = make("li");
  row.dataset.id = job.id;
  const button = make("button", { type: "button" });
  const head = make("span", { class: "row" });
  head.append(make("strong"), make("span", { class: "state" }));
  button.append(head, make("span", { class: "quiet" }), make("progress", { max: "1", "aria-hidden": "true" }));
  button.addEventListener("click", () => {
    state.chosen = job.id;
    state.followed = false;
    listJobs();
    showJob().catch(() => {});
    if (matchMedia("(max-width: 720px)").matches) at("job").scrollIntoView({ block: "start" });
    at("job").focus({ preventScroll: true });
  });
  row.append(button);
  return row;
}

function fillRow(row, job) {
  const [head, line, bar] = row.firstChild.children;
  const [name, badge] = head.children;
  set(name, title(job));
  set(badge, stateWord(job));
  badge.className = `state ${job.state}`;
  set(line, ENDED.has(job.state) ? when(job.times.ended) : job.progress.message || when(job.times.queued));
  bar.hidden = job.state !== "running";
  fillBar(bar, job.progress);
  if (job.id === state.chosen) row.firstChild.setAttribute("aria-current", "true");
  else row.firstChild.removeAttribute("aria-current");
}

async function showJob() {
  const job = state.jobs.find((each) => each.id === state.chosen);
  at("job").hidden = !job;
  if (!job) return;
  put("job-title", title(job));
  put("job-state", stateWord(job));
  at("job-state").className = `state ${job.state}`;
  put("job-times", times(job));
  at("finish").hidden = ENDED.has(job.state) || !job.finishable || job.finishing;
  at("cancel").hidden = ENDED.has(job.state);
  at("job-progress").hidden = job.state !== "running";
  put("job-message", job.progress.message);
  put("job-left", left(job.progress));
  fillBar(at("bar"), job.progress);
  showError(job);
  fillList("notes", "note-list", job.notes.map((note) => make("li", {}, note)));
  showOutcome(job);
  await showLive(job);
}

function stateWord(job) {
  return job.finishing && job.state === "running" ? "finishing" : WORDS[job.state];
}

function showError(job) {
  const box = at("job-error");
  box.hidden = !job.error || (job.state === "cancelled" && !job.error.fix);
  if (job.error) set(box, [job.error.message, job.error.fix].filter(Boolean).join(" "));
}

function showOutcome(job) {
  const rows = [...Object.entries(job.files), ...Object.entries(job.figures)].slice(0, 60);
  const parts = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, figure(value))]);
  fillList("outcome", "outcome-list", parts);
}

async function showLive(job) {
  const version = `${job.id} ${job.live}`;
  if (state.liveOf !== version) {
    const live = job.live ? await ask("GET", `/v1/jobs/${job.id}/live`).catch(missing) : null;
    if (state.chosen !== job.id) return;
    state.live = live;
    state.liveOf = version;
    drawCurves();
    drawPreview();
  }
}

function missing(error) {
  if (error instanceof Refused && error.status === 404) return null;
  throw error;
}

// ---- curves

function drawCurves() {
  const curves = Object.entries(state.live?.curves ?? {}).filter(([, points]) => points.length);
  at("curve-figure").hidden = !curves.length;
  if (!curves.length) return;
  const legend = curves.map(([name, points], number) => {
    const entry = make("span");
    entry.append(make("i", { class: `c${number % 3}` }), `${name} ${short(points.at(-1)[1])}`);
    return entry;
  });
  at("curve-legend").replaceChildren(...legend);
  at("curve").replaceChildren(plot(curves, Math.max(240, at("curve").clientWidth), 170));
}

function plot(curves, width, height) {
  const xs = curves.flatMap(([, points]) => points.map((point) => point[0]));
  const ys = curves.flatMap(([, points]) => points.map((point) => point[1]));
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const log = Math.min(...ys) > 0 && Math.max(...ys) > 20 * Math.min(...ys);
  const scaled = log ? Math.log10 : (value) => value;
  const [low, high] = [scaled(Math.min(...ys)), scaled(Math.max(...ys))];
  const [left, top, bottom] = [60, 8, height - 22];
  const toX = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - 10);
  const toY = (y) => bottom - ((scaled(y) - low) / (high - low || 1)) * (bottom - top);
  const svg = make("svg", { width, height, role: "img", "aria-label": summary(curves) }, "", SVG);
  for (const part of [0, 0.5, 1]) {
    const y = bottom - part * (bottom - top);
    const value = low + part * (high - low);
    svg.append(make("line", { class: "axis", x1: left, x2: width - 10, y1: y, y2: y }, "", SVG));
    svg.append(make("text", { x: left - 6, y: y + 4, "text-anchor": "end" }, short(log ? 10 ** value : value, 3), SVG));
  }
  svg.append(make("text", { x: left, y: height - 5 }, short(x0), SVG));
  svg.append(make("text", { x: width - 10, y: height - 5, "text-anchor": "end" }, `step ${short(x1)}`, SVG));
  curves.forEach(([, points], number) => {
    const colour = `c${number % 3}`;
    const line = (some) => some.map(([x, y]) => `${toX(x).toFixed(1)},${toY(y).toFixed(1)}`).join(" ");
    const smooth = smoothed(points);
    if (smooth !== points) svg.append(make("polyline", { class: `curve raw ${colour}`, points: line(points) }, "", SVG));
    svg.append(make("polyline", { class: `curve ${colour}`, points: line(smooth) }, "", SVG));
    const [x, y] = smooth.at(-1);
    svg.append(make("circle", { class: colour, cx: toX(x), cy: toY(y), r: 3.5 }, "", SVG));
  });
  return svg;
}

// A loss of single batches jumps: its running mean over a twentieth of the curve is drawn over it.
function smoothed(points) {
  const reach = Math.floor(points.length / 40);
  if (reach < 2) return points;
  return points.map(([x], place) => {
    const near = points.slice(Math.max(0, place - reach), place + reach + 1);
    return [x, near.reduce((sum, point) => sum + point[1], 0) / near.length];
  });
}

function summary(curves) {
  const parts = curves.map(([name, points]) => `${name} from ${short(points[0][1])} to ${short(points.at(-1)[1])}`);
  return `Curves over ${short(Math.max(...curves.map(([, points]) => points.at(-1)[0])))} steps: ${parts.join("; ")}`;
}

// ---- preview

function drawPreview() {
  const preview = state.live?.preview;
  at("preview").hidden = !preview;
  if (!preview) return;
  put("preview-title", `Preview at step ${short(preview.step)}`);
  const pictures = preview.names.map((name, number) => {
    const box = make("figure");
    const canvas = make("canvas", { role: "img", "aria-label": `${name}, at step ${preview.step}` });
    paint(canvas, preview, preview.pixels[number]);
    box.append(canvas, make("figcaption", {}, name));
    return box;
  });
  at("pictures").replaceChildren(...pictures);
}

function paint(canvas, preview, text) {
  const [height, width] = preview.shape;
  const [black, white] = preview.display;
  const view = new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let place = 0; place < width * height; place++) {
    const grey = ((view.getFloat32(4 * place, true) - black) / (white - black || 1)) * 255;
    image.data.fill(grey, 4 * place, 4 * place + 3);
    image.data[4 * place + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// ---- computer, models, log

async function showMachine() {
  const found = await ask("GET", "/v1/machine");
  const used = found.memory.total - found.memory.free;
  at("memory").value = used / found.memory.total;
  put("memory-text", `${gib(used)} of ${gib(found.memory.total)} used`);
  const devices = found.devices.length ? found.devices : ["none: PyTorch does not start here"];
  at("devices").replaceChildren(...devices.map((device) => make("li", {}, device)));
  showGpus(found.gpus);
  const info = await ask("GET", "/v1/info");
  put("where", `${location.host}, version ${info.version}, process ${info.pid}`);
}

function showGpus(gpus) {
  const box = at("gpus");
  if (box.children.length !== gpus.length) {
    box.replaceChildren(...gpus.map((_, number) => {
      const row = make("div");
      const text = make("p");
      text.append(make("label", { for: `gpu-${number}` }), " ", make("span", { class: "quiet" }));
      row.append(text, make("meter", { id: `gpu-${number}`, min: 0, max: 1, high: 0.85, optimum: 0 }));
      return row;
    }));
  }
  gpus.forEach((gpu, number) => {
    const row = box.children[number];
    set(row.querySelector("label"), `Memory of ${gpu.name}`);
    set(row.querySelector("span"), `${gib(gpu.used)} of ${gib(gpu.total)} used, busy for ${gpu.busy} % of the time`);
    row.querySelector("meter").value = gpu.used / gpu.total;
  });
}

async function showModels() {
  const { models } = await ask("POST", "/v1/models", {});
  at("no-models").hidden = models.length > 0;
  at("models").replaceChildren(...models.map((model) => {
    const row = make("li");
    const about = [model.task, model.axes && `axes ${model.axes}`].filter(Boolean).join(", ");
    row.append(make("strong", {}, model.title || model.name), make("br"), make("span", { class: "quiet" }, `${model.name}${about && `: ${about}`}`));
    return row;
  }));
}

async function showLog() {
  const { lines } = await ask("GET", "/v1/log?lines=200");
  const box = at("log");
  const below = box.scrollHeight - box.scrollTop - box.clientHeight < 30; // who has scrolled up is reading
  set(box, lines.join("\n"));
  if (below) box.scrollTop = box.scrollHeight;
}

// ---- small things

function make(name, attributes = {}, text = "", space = "http://www.w3.org/1999/xhtml") {
  const element = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== "") element.textContent = text;
  return element;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function put(id, text) {
  set(at(id), text);
}

function fillList(section, list, parts) {
  at(section).hidden = !parts.length;
  if (at(list).textContent !== parts.map((part) => part.textContent).join("")) at(list).replaceChildren(...parts);
}

function fillBar(bar, progress) {
  bar.max = progress.maximum > 0 ? progress.maximum : 1;
  if (progress.maximum > 0) bar.value = Math.min(progress.current, progress.maximum);
  else bar.removeAttribute("value");
}

function title(job) {
  const words = job.command.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function times(job) {
  const { queued, running, ended } = job.times;
  const parts = [`came ${when(queued)}`];
  if (running) parts.push(`waited ${span(running - queued)}`);
  if (running && ended) parts.push(`ran ${span(ended - running)}`);
  else if (running) parts.push(`runs for ${span(Date.now() / 1000 - running)}`);
  return `${parts.join(", ")} · ${job.id.slice(0, 8)}`;
}

function left(progress) {
  const parts = [];
  if (progress.maximum > 0) parts.push(`${short(progress.current)} of ${short(progress.maximum)}`);
  if (progress.figures.seconds_left > 0) parts.push(`about ${span(progress.figures.seconds_left)} left`);
  return parts.join(", ");
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const clock = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return today ? clock : `${date.toLocaleDateString()} ${clock}`;
}

function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

function figure(value) {
  if (typeof value === "number") return short(value);
  return typeof value === "string" ? value : JSON.stringify(value).slice(0, 200);
}

function short(value, digits = 4) {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString("en");
  return Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5 ? String(Number(value.toPrecision(digits))) : value.toExponential(2);
}

function gib(bytes) {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

// ---- what the user does

async function act(what) {
  const job = state.chosen;
  try {
    await ask("POST", `/v1/jobs/${job}/${what}`);
    at("said").textContent = what === "cancel" ? "The job was asked to stop." : "The job was asked to finish.";
    state.due.jobs = 0;
    await tick();
  } catch (error) {
    trouble(error.message);
  }
}

at("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  logIn(at("code").value);
});
at("logout").addEventListener("click", async () => {
  await ask("POST", "/v1/dashboard/logout").catch(() => {});
  shut();
});
at("finish").addEventListener("click", () => act("finish"));
at("cancel").addEventListener("click", () => {
  const job = state.jobs.find((each) => each.id === state.chosen);
  put("ask-text", `${title(job)}: ${job.finishable
    ? "a checkpoint is kept, from which it can go on. “Finish now” would keep the best result so far."
    : "what it has done so far is lost."}`);
  at("ask").showModal();
});
at("ask-no").addEventListener("click", () => at("ask").close());
at("ask-yes").addEventListener("click", () => {
  at("ask").close();
  act("cancel");
});
document.addEventListener("visibilitychange", tick);
addEventListener("resize", () => state.open && drawCurves());
addEventListener("hashchange", begin);

function begin() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    history.replaceState(null, "", "/"); // it is used up: it need not stand in the history
    logIn(code);
  } else if (!state.open) {
    localStorage.getItem(KEY) ? open() : shut();
  }
}

begin();
setInterval(tick, JOBS_MS);
