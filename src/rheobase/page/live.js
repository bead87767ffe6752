// Of the tab of one neuron: time that runs on. The stimulus begins again after every duration; sliders act at once, on
// a neuron that remembers what it was.

Object.assign(NeuronTab.prototype, {
  startLive() {
    const { setup, results } = this, N = setup.total + 1, sets = Object.keys(results);
    const make = (which) => {
      const simulation = new Simulation(setup.program, this.liveJob(which)), run = results[which];
      simulation.k = 0;
      return { simulation, shown: { ...run, traces: Object.fromEntries(Object.entries(run.traces).map(([s, x]) => [s, Float64Array.from(x)])), current: Float64Array.from(run.current), level: run.level && Float64Array.from(run.level), spikes: [], steps: [] } };
    };
    this.live = { begin: -(N - 1), last: null, rest: 0, sets: Object.fromEntries(sets.map((which) => [which, make(which)])) };
    for (const { shown } of Object.values(this.live.sets)) for (const x of [...Object.values(shown.traces), shown.current, ...(shown.level ? [shown.level] : [])]) x.fill(NaN);
    this.liveButton.textContent = "■ Stop";
    const step = (now) => {
      if (!this.live) return;
      if (this.host.hidden) this.stopLive();
      else {
        this.tick(now);
        requestAnimationFrame(step);
      }
    };
    requestAnimationFrame(step);
  },

  stopLive() {
    if (!this.live) return;
    this.live = null;
    this.liveButton.textContent = "▶ Live";
    this.update(true);
  },

  // The job of a set, its stimulus repeated for ever.
  liveJob(which) {
    const job = this.setup.job(which), total = this.setup.total;
    const again = (take) => (k0, k1) => {
      const parts = [];
      for (let k = k0; k < k1; ) {
        const first = k % total, last = Math.min(total, first + k1 - k);
        parts.push(take(first, last));
        k += last - first;
      }
      if (parts.length === 1) return parts[0];
      if (parts[0].edges) return { edges: Int32Array.from([0, ...parts.flatMap((p, i) => Array.from(p.edges.subarray(1), (e) => e + parts.slice(0, i).reduce((n, q) => n + q.weights.length, 0)))]), weights: Float64Array.from(parts.flatMap((p) => [...p.weights])) };
      if (parts[0].data) return { ...parts[0], data: Float64Array.from(parts.flatMap((p) => [...p.data])) };
      return Float64Array.from(parts.flatMap((p) => [...p]));
    };
    for (const group of [job.inputs, job.ports]) for (const name of Object.keys(group)) group[name] = again(group[name]);
    return job;
  },

  // A slider has moved: new numbers for a neuron that goes on.
  changeLive() {
    for (const [which, { simulation }] of Object.entries(this.live.sets)) {
      const job = this.liveJob(which);
      Object.assign(simulation, { values: job.values, inputs: job.inputs, ports: job.ports, held: heldValues(this.setup.program, job.values, this.setup.dt) });
    }
    this.asked = undefined;
    clearTimeout(this.later);
    this.later = setTimeout(() => this.refine(), 60);
    this.onchange(this.setup);
  },

  // Carry on by what has passed since the last frame: the window passes in four seconds.
  tick(now) {
    const { live, setup } = this, { program, total, dt } = setup, drive = setup.model.drive?.name;
    const passed = Math.min(live.last === null ? 16 : now - live.last, 100);
    live.last = now;
    live.rest += (passed * total) / 4000;
    const steps = Math.floor(live.rest);
    live.rest -= steps;
    if (steps === 0) return;
    for (const { simulation, shown } of Object.values(live.sets)) {
      const run = simulation.advance(simulation.k + steps), input = drive ? run.inputs[drive] : null, keep = total + 1 - steps;
      const push = (x, at) => {
        x.copyWithin(0, steps);
        for (let i = 0; i < steps; i++) x[keep + i] = at(i);
      };
      const current = (i) => (input ? input.data[i * input.step] : 0);
      for (const s of program.states) push(shown.traces[s], (i) => run.traces[s][i + 1]);
      push(shown.current, current);
      if (shown.level) {
        const part = Object.fromEntries(program.states.map((s) => [s, run.traces[s].subarray(1)]));
        const { level } = threshold(setup, simulation.values, part, Float64Array.from({ length: steps }, (_, i) => current(i)));
        push(shown.level, (i) => level[i]);
      }
      const began = (simulation.k - total) * dt;
      shown.spikes = [...shown.spikes, ...spikeTimes(run, dt)].filter((t) => t > began);
      shown.steps = shown.spikes.map((t) => Math.round((t - began) / dt));
      Object.assign(shown, statistics(shown.spikes, [Math.max(began, 0), began + setup.until]), { values: simulation.values, broken: !program.states.every((s) => Number.isFinite(simulation.at[s][0])) });
    }
    live.begin += steps;
    this.results = Object.fromEntries(Object.entries(live.sets).map(([which, { shown }]) => [which, shown]));
    this.drawTraces();
    this.showNumbers();
    if (this.phase) {
      this.phaseArguments.paths = this.phasePaths();
      this.drawPhase();
    }
    this.updates++;
  },
});
