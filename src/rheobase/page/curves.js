// Of the tab of one neuron: the f-I curve and the phase plane, which follow the traces, and drawing a current by hand.

Object.assign(NeuronTab.prototype, {
  refine() {
    this.refinePhase();
    const { setup } = this, { drive } = setup.model, port = setup.port;
    this.curveCard.hidden = !drive && !port;
    if (this.curveCard.hidden) return;
    this.curveHead.replaceChildren(drive ? "f–I curve " : "Rate in, rate out ", el("small", {}, "firing rate (Hz)"));
    const key = JSON.stringify([setup.model.id, setup.A, setup.compare && setup.B, setup.others, setup.dt, setup.ports, setup.seed, setup.kind === "poisson" || !drive ? 0 : setup.present > 3 * setup.scale ? setup.present : 0]);
    if (key === this.curveKey) return this.curve.u.redraw(false);
    this.curveKey = key;
    this.curveCard.classList.add("stale"); // what is seen is of other values, or of another model
    const high = drive ? Math.max(3 * setup.scale, 1.15 * setup.present) : Math.max(4000, 1.15 * setup.present), low = Math.min(0, 1.15 * setup.present, setup.model.random ? -setup.scale : 0);
    const token = (this.token = {}), sets = setup.compare ? ["A", "B"] : ["A"];
    // half of the run is left out: in it the slowest of the neuron must have come to rest
    const slowest = Math.max(0, ...setup.model.parameters.filter((p) => p.log && p.unit === "ms").flatMap((p) => sets.map((which) => setup[which][p.name])));
    const currents = $line(61, drive ? low : 0, high), duration = Math.min(Math.max((600000 / 61) * setup.dt, setup.until, 400, Math.min(5 * slowest, 1000)), 2000);
    const curves = sets.map((which) => new Curve(setup, which, currents, duration));
    const go = () => {
      if (token !== this.token) return;
      const rest = curves.find((c) => !c.done);
      rest?.work(10);
      if (curves.some((c) => !c.done)) return setTimeout(go, 0);
      const rates = curves.map((c) => c.rates);
      this.curves = { currents, rates };
      this.curve.xLabel = drive ? withUnit(drive.name, drive.unit) : `rate at ${port} (Hz)`;
      this.curve.spec[1].show = setup.compare;
      this.curve.data = [currents, rates[0], rates[1] ?? rates[0].map(() => null)];
      this.curve.ranges = { x: [currents[0], high], y: [0, Math.max(10, ...rates.flat()) * 1.08] };
      this.curve.build();
      this.curveNote.textContent = "";
      this.curveCard.classList.remove("stale");
    };
    go();
  },

  markPresent(context, u) {
    if (!this.results || !this.curves) return;
    const { setup } = this, c = colours(), x = u.valToPos(setup.present, "x", true);
    context.save();
    context.beginPath();
    context.rect(u.bbox.left - 6, u.bbox.top - 6, u.bbox.width + 12, u.bbox.height + 12);
    context.clip();
    for (const [which, r] of Object.entries(this.results)) {
      const rates = this.curves.rates[which === "A" ? 0 : 1];
      if (!rates) continue; // its curve is still being computed
      const at = setup.kind !== "noise" && setup.kind !== "poisson" ? $interpolate(this.curves.currents, rates, setup.present) : r.rate;
      const y = u.valToPos(at, "y", true);
      context.beginPath();
      context.arc(x, y, 0.38 * rem() * devicePixelRatio, 0, 7);
      context.fillStyle = which === "A" ? c.a : c.b;
      context.fill();
      context.lineWidth = 2 * devicePixelRatio;
      context.strokeStyle = c.card;
      context.stroke();
    }
    context.restore();
  },

  readCurve(i) {
    if (i === null || i === undefined || !this.curves) return void (this.curveNote.textContent = "");
    const { currents, rates } = this.curves, unit = unitText(this.setup.model.drive?.unit ?? "Hz");
    this.curveNote.textContent = `${short(currents[i], 3)} ${unit}   ${rates.map((r) => `${short(r[i], 3)} Hz`).join("   B: ")}`;
  },

  refinePhase() {
    const { setup, results } = this, { model, program } = setup, n = model.states.length;
    this.phaseCard.hidden = n > 2 || !model.drive;
    if (this.phaseCard.hidden) return void (this.phase = null);
    const [x, y] = program.states, all = Object.values(results);
    const level = program.level?.state === x ? all.map((r) => r.level) : [];
    const [x0, x1] = n === 1 ? $reach(all.map((r) => r.traces[x]), level) : $bulk(all.map((r) => r.traces[x]), level);
    const env = { ...results.A.values, [model.drive.name]: 0 }, driven = { ...env, [model.drive.name]: setup.present };
    let box;
    if (n === 2) box = [x0, x1, ...$reach(all.map((r) => r.traces[y]), [], 0.3)];
    else {
      const slopes = $line(60, x0, x1).flatMap((v) => [env, driven].map((e) => program.drift([v], e, 0)[0])).filter(Number.isFinite).sort((a, b) => a - b);
      const low = slopes[Math.floor(slopes.length * 0.02)], high = slopes[Math.floor(slopes.length * 0.93)];
      box = [x0, x1, ...padded(Math.min(low, 0), Math.max(high, 0))];
    }
    this.phase = phaseOf(program, env, driven, box);
    const at = program.level?.state === x && !(n === 2 && y.startsWith("theta")) ? results.A.level[0] : null;
    const { unit } = model.states[0];
    this.phaseHead.replaceChildren(...(n === 1 ? ["Slope ", el("small", {}, `of ${plainName(x)} (${unit ? `${unitText(unit)}/ms` : "per ms"})`)] : ["Phase plane"]));
    const states = model.states.map((s) => withUnit(s.name, s.unit));
    this.phaseArguments = { paths: this.phasePaths(), threshold: at, names: [states[0]] };
    const key = (tone, ...text) => el("span", { className: `tone-${tone}` }, ...text);
    const zero = (s) => math(["mrow", ["mi", "d"], nameTree(s.name), ["mo", "/"], ["mi", "d"], ["mi", "t"], ["mo", "="], ["mn", "0"]]);
    this.phaseKey.replaceChildren(...(n === 1
      ? [key("d", math(["mrow", ["mi", "d"], nameTree(model.states[0].name), ["mo", "/"], ["mi", "d"], ["mi", "t"]]), ` with the current`), key("soft", "dashed: without")]
      : [key("d", zero(model.states[0])), key("c", zero(model.states[1])), key("soft", "upwards: ", math(nameTree(model.states[1].name)))]));
    this.drawPhase();
  },

  phasePaths() {
    const [x, y] = this.setup.program.states;
    if (y === undefined) return [];
    return Object.entries(this.results).map(([which, r]) => ({ colour: which === "A" ? "a" : "b", jumps: new Set(r.steps), points: Array.from(r.traces[x], (v, k) => [v, r.traces[y][k]]) }));
  },

  drawPhase() {
    if (this.phase) drawPhase(this.phaseCanvas, { phase: this.phase, ...this.phaseArguments });
  },

  markDrawn(context, u) {
    if (this.setup.kind !== "drawn") return;
    context.fillStyle = colours().ink;
    for (const [t, i] of this.setup.stimulus.points) {
      context.beginPath();
      context.arc(u.valToPos(t, "x", true), u.valToPos(i, "y", true), (this.setup.stimulus.points.length > 30 ? 0.12 : 0.25) * rem() * devicePixelRatio, 0, 7);
      context.fill();
    }
  },

  enableDrawing(host, plot) {
    const place = (event) => {
      const box = plot.u.over.getBoundingClientRect();
      const t = Math.min(Math.max(plot.u.posToVal(event.clientX - box.left, "x"), 0), this.setup.until);
      const [low, high] = this.drawRange;
      return [t, Math.min(Math.max(plot.u.posToVal(event.clientY - box.top, "y"), low), high)];
    };
    let last = null;
    host.addEventListener("pointerdown", (event) => {
      if (this.setup.kind !== "drawn" || event.button > 0) return;
      event.preventDefault();
      host.setPointerCapture(event.pointerId);
      this.drawRange = [...(plot.ranges.y ?? [0, 1])];
      last = place(event);
      this.putPoint(last, last);
    });
    host.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const here = place(event);
      this.putPoint(last, here);
      last = here;
    });
    const end = () => {
      if (last === null) return;
      last = null;
      this.drawRange = null;
      this.buildStimulus();
      this.update();
    };
    host.addEventListener("pointerup", end);
    host.addEventListener("pointercancel", end);
  },

  // Replace the points between two places of the pointer by the line that was drawn.
  putPoint(from, to) {
    const s = this.setup.stimuli.drawn, gap = this.setup.until / 120, [low, high] = [Math.min(from[0], to[0]), Math.max(from[0], to[0])];
    const tidy = ([t, i]) => [Number(t.toPrecision(5)), Number(i.toPrecision(3))];
    const here = tidy(to), began = tidy(from)[0];
    const kept = s.points.filter(([t]) => t === began || t < low - gap / 2 || t > high + gap / 2);
    s.points = [...kept.filter(([t]) => t !== here[0]), here].sort((a, b) => a[0] - b[0]);
    this.update();
  },
});
