// The tab where the four rows are written: read by Python, with its allow-list; nothing typed here is ever executed.

const $ROWS = [
  ["evolve", "Evolve", "what happens between spikes, a line for each state", 4],
  ["receive", "Receive", "on a presynaptic spike, its weight is w_i", 2],
  ["threshold", "Threshold", "fires when", 1],
  ["hazard", "Hazard", "or in place of a threshold: a rate of firing, per ms", 1],
  ["reset", "Reset", "after a spike, in this order", 2],
  ["refractory", "Refractory", "a time for which v is held", 1],
];
const $EXAMPLE = {
  evolve: "tau dv/dt = E_L - v + R*I\ntau_a dtheta/dt = theta_0 - theta",
  receive: "v <- v + w_i",
  threshold: "v > theta",
  hazard: "",
  reset: "v <- v_r\ntheta <- theta + delta",
  refractory: "2 ms",
  values: "tau = 20 ms\ntau_a = 100 ms\nR = 100 MOhm\nE_L = -70 mV\ntheta_0 = -50 mV\ndelta = 4 mV\nv_r = -70 mV",
};

class RowsTab {
  // `python` is the way to who reads rows, null on a page that is a file; `bytes` is the most it takes.
  constructor(host, { python, bytes, onmodel }) {
    Object.assign(this, { host, python, bytes, onmodel, fields: {}, last: "" });
    const inputs = $ROWS.map(([name, text, hint, rows]) => this.field(name, text, hint, rows));
    const values = this.field("values", "Values", "name = number and unit, a line for each; a name without value is an input", 8);
    this.error = el("div", { className: "row-error", role: "alert", hidden: true });
    this.preview = el("div", { className: "preview" });
    this.plotHost = el("div");
    this.plot = new Plot(this.plotHost, { series: [{ label: "v", stroke: "a", width: 1.8 }], height: 12, label: "What the neuron of these rows does", marks: (context, u) => this.spikes && drawSpikes(context, u, [[this.spikes, "a"]]) });
    this.go = button("Explore this neuron", () => this.onmodel(this.id, true), "primary");
    this.go.disabled = true;
    const note = python
      ? el("p", { className: "hint" }, "Read by Python on your machine as you type. Units are checked: leave them away and all are plain numbers.")
      : el("p", { className: "note" }, "This page is a file. To have rows of your own read, start ", el("code", {}, "rheobase explore"), ": Python then checks what you type, units and all.");
    const editor = el("section", { className: "card editor" }, el("h2", {}, "Write your own neuron"), note, ...inputs, values, this.error);
    const shown = el("section", { className: "card" }, el("div", { className: "head" }, el("h2", {}, "What Python has read"), this.go), this.preview, this.plotHost);
    host.append(editor, shown);
    for (const [name, text] of Object.entries($EXAMPLE)) this.fields[name].value = text;
    if (!python) for (const f of Object.values(this.fields)) f.readOnly = true;
    this.shown = shown;
    shown.hidden = !python;
  }

  field(name, text, hint, rows) {
    const id = newId("row"), area = el("textarea", { id, name, rows, spellcheck: false, autocomplete: "off", oninput: () => this.later() });
    area.setAttribute("autocapitalize", "off");
    this.fields[name] = area;
    return el("div", { className: "field" }, el("label", { for: id }, el("b", {}, text), " ", el("span", { className: "hint" }, hint)), area);
  }

  start() {
    if (this.python && !this.last) this.send();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), 250);
  }

  // Put in what a link holds: the texts of the fields.
  fill(fields) {
    for (const [name, area] of Object.entries(this.fields)) area.value = typeof fields?.[name] === "string" ? fields[name] : "";
  }

  async send() {
    const asked = Object.fromEntries(Object.entries(this.fields).map(([name, f]) => [name, f.value]));
    const body = JSON.stringify(asked);
    if (body === this.last) return;
    this.last = body;
    if (new Blob([body]).size > this.bytes) return this.fail({ error: `more than ${this.bytes} bytes are no rows of a neuron` });
    const late = setTimeout(() => body === this.last && this.fail({ error: "Python has not answered yet: it may be busy, or no longer there" }), 5000);
    const answer = await this.python.ask(body);
    clearTimeout(late);
    if (body !== this.last) return; // something newer has been typed
    if (answer.again) {
      this.last = "";
      return this.later();
    }
    if (answer.error) return this.fail(answer);
    await this.python.load(answer);
    this.fail({ error: "" });
    this.accept(answer);
  }

  fail({ error, row }) {
    const [message, place] = error.split(/(?<=^.*\n)/); // what is wrong may be broken into lines, where it is may not
    this.error.replaceChildren(message, ...(place ? [el("pre", {}, place)] : []));
    (this.fields[row] ?? this.fields.values).closest(".field").after(this.error);
    this.error.hidden = !error;
    for (const [name, f] of Object.entries(this.fields)) {
      if (name === row) f.setAttribute("aria-invalid", "true");
      else f.removeAttribute("aria-invalid");
    }
    if (error) {
      this.go.disabled = true;
      this.shown.classList.add("stale");
    }
  }

  accept({ model, program }) {
    this.shown.classList.remove("stale");
    this.id = model.id = `own-${program.slice(0, 12)}`;
    model.group = "own";
    model.label = "Your rows";
    model.python = "";
    this.onmodel(this.id, false, model, program);
    const setup = new Setup(model, LOADED[program]), run = setup.run("A"), first = model.states[0];
    this.spikes = run.spikes;
    const t = run.current.map((_, k) => k * setup.dt);
    this.plot.set([t, run.traces[first.name]], { x: [0, setup.until], y: $withRoom([run.traces[first.name]]) });
    this.preview.replaceChildren(
      rowTable(model.table),
      el("p", { className: "hint" }, `Method: ${setup.program.method}. `, model.drive ? ["Driven by ", math(nameTree(model.drive.name)), ` = ${short(setup.present)} ${unitText(model.drive.unit)}, `] : "Driven by Poisson spikes, ", `${run.count} spikes in ${short(setup.until)} ms.`),
      el("div", { className: "axis" }, math(nameTree(first.name)), first.unit ? ` (${unitText(first.unit)})` : ""),
    );
    this.go.disabled = false;
  }
}

// Programs that Python printed for rows typed here, by their hash; each is a script from our own Python.
const LOADED = {};
