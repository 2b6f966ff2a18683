// One page of the device table, kept live by server-sent events from the commit on that the page showed. Every text goes in
// as a text node: a device's words are never markup.
"use strict";

const API = "/api/v1";
const PAGE = 100;
const NEWEST = 8;
const rows = new Map();
let source = null;
let fleetSize = null;
let reloading = null;
let loads = 0;
const get = (id) => document.getElementById(id);

function node(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

const known = (value) => value !== null && value !== undefined;
const digits = (value) => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const milliseconds = (value) => (value >= 1000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`);
const celsius = (value) => `${value.toFixed(1)} °C`;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let step = 0;
  for (; value >= 1024 && step < units.length - 1; step += 1) value /= 1024;
  return `${step ? digits(value) : value} ${units[step]}`;
}

function ago(unixSeconds) {
  const seconds = Math.max(0, Date.now() / 1000 - unixSeconds);
  if (seconds < 90) return `${seconds.toFixed(0)} s ago`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min ago` : `${(seconds / 3600).toFixed(0)} h ago`;
}

// A measured figure over its limit, with a bar of how much of the limit it uses.
function against(value, limit, format) {
  if (!known(value)) return node("td", "figure", node("span", "quiet", known(limit) ? `– / ${format(limit)}` : "–"));
  const cell = node("td", "figure", format(value));
  if (!known(limit)) return cell;
  const share = value / limit;
  const fill = node("i");
  fill.style.width = `${Math.min(100, Math.max(0, share * 100))}%`;
  cell.append(node("span", "quiet", ` / ${format(limit)}`));
  cell.append(node("div", share > 1 ? "bar over" : share > 0.85 ? "bar near" : "bar", fill));
  return cell;
}

function tightest(...limits) {
  const given = limits.filter(known);
  return given.length ? Math.min(...given) : null;
}

function nameCell(device) {
  const labels = Object.entries(device.labels).map(([key, value]) => `${key}=${value}`).join(", ");
  return node("td", "", node("div", "name", device.id), node("div", "sub", [device.class, labels].filter(Boolean).join(" · ")));
}

const PRESENCE = { online: "good", quiet: "warn" };

function stateCell(device) {
  const presence = node("div", PRESENCE[device.presence] ?? "quiet", device.presence);
  if (device.presence !== "online" && known(device.last_seen_unix_s)) presence.append(`, heard ${ago(device.last_seen_unix_s)}`);
  const cell = node("td", "", node("div", device.state === "pending" ? "warn" : "", device.state), presence);
  if (device.state === "pending") cell.append(acceptButton(device.id));
  return cell;
}

function acceptButton(id) {
  const button = node("button", "", "accept");
  button.type = "button";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await fetch(`${API}/devices/${encodeURIComponent(id)}/accept`, { method: "POST" });
    if (!answer.ok) button.replaceWith(node("div", "bad", (await answer.json()).error));
  });
  return button;
}

function variantCell(device) {
  const phase = known(device.phase) && device.phase !== "active" ? device.phase : "";
  const moving = known(device.waiting_for) ? "waiting for a prune" : phase;
  return node("td", "",
    node("div", known(device.variant) ? "mono" : "quiet", device.variant ?? "none"),
    node("div", "sub", [device.model, moving].filter(Boolean).join(" · ")));
}

function budgetCell(device) {
  const cell = node("td", "");
  if (device.feasible === false) cell.append(node("div", "bad", "infeasible"));
  else if (device.within_budget === false) cell.append(node("div", "bad", "outside"));
  else if (device.within_budget === true) cell.append(node("div", "good", "within"));
  else cell.append(node("div", "quiet", device.presence === "online" ? "not measured" : "not heard"));
  if (device.incident) cell.append(node("div", "warn", `incident ${device.incident}`));
  if (device.wire_reason) cell.append(node("div", "warn", device.wire_reason));
  const words = device.feasible === false ? [device.reason, ...device.relaxations.map((each) => `or: ${each}`)] : [device.result_reason];
  for (const text of words) if (text) cell.append(node("div", "sub", text));
  if (device.implausible) {
    cell.append(node("div", "warn", `${device.implausible} with figures that cannot be`));
    cell.append(node("div", "sub", `last ${device.implausible_last}`));
  }
  return cell;
}

function row(device) {
  const battery = known(device.battery_percent) ? `${device.battery_percent.toFixed(0)} %` : "–";
  return node("tr", device.state,
    nameCell(device), stateCell(device), variantCell(device),
    node("td", "mono", device.binding ?? "–"),
    against(device.latency_p95_ms, tightest(device.latency_cap_ms, device.deadline_ms), milliseconds),
    against(device.ram_peak_bytes ?? device.rss_bytes, device.ram_limit_bytes, bytes),
    against(device.temperature_celsius, device.temperature_limit_celsius, celsius),
    node("td", "figure", battery), budgetCell(device));
}

function showPage(page) {
  rows.clear();
  for (const device of page.items) rows.set(device.id, row(device));
  get("devices").replaceChildren(...rows.values());
  const shown = page.items.length;
  get("shown").textContent = shown < page.total ? `${shown} of ${page.total}` : "";
  get("next").hidden = page.next === null;
  get("next").dataset.after = page.next ?? "";
  get("first").hidden = !get("filter").dataset.after;
  get("empty").hidden = shown > 0;
}

function showChanged(devices) {
  for (const device of devices) {
    const made = row(device);
    rows.get(device.id)?.replaceWith(made);
    rows.set(device.id, made);
  }
}

function showSummary(fleet) {
  const figures = [
    ["devices", fleet.devices], ["online", fleet.devices_online], ["quiet", fleet.devices_quiet],
    ["unknown", fleet.devices_unknown], ["offline", fleet.devices_offline], ["pending", fleet.devices_pending],
    ["open incidents", fleet.incidents_open], ["running rollouts", fleet.rollouts_running], ["prune jobs", fleet.jobs_unfinished],
  ];
  get("summary").replaceChildren(...figures.map(([name, value]) => node("div", "", node("dt", "", name), node("dd", "", String(value)))));
}

const TONES = {
  finished: "good", repaired: "good", running: "warn", stopping: "warn", acting: "warn", open: "warn",
  failed: "bad", aborted: "bad", unrepaired: "bad",
};

function item(title, state, ...lines) {
  const head = node("div", "", node("span", "name", title), " ", node("span", TONES[state] ?? "quiet", state));
  return node("li", "", head, ...lines.filter(Boolean).map((line) => node("div", "sub", line)));
}

function fill(id, items) {
  get(id).replaceChildren(...(items.length ? items : [node("li", "quiet", "none")]));
}

const LISTS = {
  rollouts: ["", (each) =>
    item(each.model, each.state, `${each.selector || "all devices"} · wave ${each.wave + 1} of ${each.waves.length}`, each.reason)],
  incidents: ["", (each) => item(`${each.device} ${each.kind}`, each.state, each.evidence, each.diagnosis, each.outcome)],
  jobs: ["&state=queued&state=running&state=stopping", (each) => item(`${each.model} ${each.kind}`, each.state, each.detail)],
};

async function ask(path) {
  const answer = await fetch(`${API}${path}`);
  const content = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(content.error), { mine: answer.status < 500 });
  return content;
}

async function showList(name) {
  const [only, show] = LISTS[name];
  fill(name, (await ask(`/${name}?limit=${NEWEST}${only}`)).items.map(show));
}

function say(className, text) {
  get("link").className = className;
  get("link").textContent = text;
}

// The page that the filter asks for, and from then on what changes of it.
async function load() {
  loads += 1;
  const mine = loads;
  clearTimeout(reloading);
  reloading = null;
  source?.close();
  const filter = new URLSearchParams({ limit: PAGE, selector: get("selector").value, after: get("filter").dataset.after ?? "" });
  if (get("state").value) filter.set("state", get("state").value);
  try {
    const page = await ask(`/devices?${filter}`);
    if (mine !== loads) return;
    get("wrong").textContent = "";
    showPage(page);
    await Promise.all(Object.keys(LISTS).map(showList));
    if (mine === loads) watch(page);
  } catch (error) {
    if (mine !== loads) return;
    get("wrong").textContent = error.message;
    if (error instanceof TypeError) say("lost", "connection lost, trying again");
    if (!error.mine) later();
  }
}

function later() {
  reloading ??= setTimeout(load, 3000);
}

function watch(page) {
  const shown = page.items.map((device) => ["device", device.id]);
  // Where the page is empty the events are of no device: no id is empty.
  const only = new URLSearchParams([["since", page.commit], ...(shown.length ? shown : [["device", ""]])]);
  const opened = new EventSource(`${API}/events?${only}`);
  source = opened;
  source.addEventListener("open", () => say("live", "live"));
  source.addEventListener("error", () => {
    say("lost", "connection lost, trying again");
    if (source === opened && opened.readyState === EventSource.CLOSED) later();  // it was answered, but not with events
  });
  source.addEventListener("reset", load);
  source.addEventListener("changed", (event) => {
    const data = JSON.parse(event.data);
    showChanged((data.devices ?? []).filter((device) => rows.has(device.id)));
    for (const id of data.gone?.devices ?? []) {
      rows.get(id)?.remove();
      rows.delete(id);
    }
    for (const name of Object.keys(LISTS)) if (data[name] || data.gone?.[name]) showList(name).catch(later);
    if (data.counts) {
      showSummary(data.counts);
      get("troubles").replaceChildren(
        ...data.counts.reasons.map((each) => node("p", "bad", each)), ...data.counts.warnings.map((each) => node("p", "warn", each)));
      // Others may match now; who is on another page stays there.
      const { devices, devices_pending, devices_accepted } = data.counts;
      const size = [devices, devices_pending, devices_accepted].join();
      if (fleetSize !== null && size !== fleetSize) later();
      fleetSize = size;
    }
  });
}

function turnTo(after) {
  get("filter").dataset.after = after;
  load();
}

for (const name of ["selector", "state"]) get(name).addEventListener("change", () => turnTo(""));
get("first").addEventListener("click", () => turnTo(""));
get("next").addEventListener("click", () => turnTo(get("next").dataset.after));
load();
