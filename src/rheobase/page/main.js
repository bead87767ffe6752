// The page: tabs, looks, the link in the address.

const TABS = { bucket: "Bucket", neuron: "Neuron", rows: "Your rows", timing: "Timing" };

function startPage(catalogue, told) {
  const known = new Map(catalogue.models.map((m) => [m.id, m]));
  catalogue.models = catalogue.models.map((m) => (m.like ? { ...known.get(m.like), ...m } : m));
  const begin = performance.now(), main = document.getElementById("main"), nav = document.getElementById("tabs");
  const panels = {}, links = {};
  for (const [name, text] of Object.entries(TABS)) {
    panels[name] = el("div", { id: `panel-${name}`, className: `panel panel-${name}`, role: "tabpanel", "aria-labelledby": `tab-${name}`, hidden: true });
    links[name] = el("button", { type: "button", id: `tab-${name}`, role: "tab", "aria-controls": `panel-${name}`, onclick: () => open(name), tabIndex: -1 }, text);
    links[name].addEventListener("keydown", (event) => {
      const names = Object.keys(TABS), at = names.indexOf(name), move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      const next = names[(at + move + names.length) % names.length];
      open(next);
      links[next].focus();
    });
    main.append(panels[name]);
    nav.append(links[name]);
  }
  const served = told.served;
  const python = served?.notebook ? new Notebook(served, welcome) : served ? new Server(served) : null;
  let look = "auto", current = null;
  const looks = button("", () => {
    look = LOOKS[(LOOKS.indexOf(look) + 1) % LOOKS.length];
    setLook(look);
    label();
  }, "quiet look", "Light or dark");
  const label = () => (looks.textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[look]);
  label();
  // What a notebook says when it has the page: its own look, and where the page was before it was moved.
  function welcome(from) {
    if (LOOKS.includes(from.look) && look === "auto") {
      setLook((look = from.look));
      label();
    }
    if (typeof from.link === "string") follow(readLink(from.link));
  }
  document.getElementById("tools").append(looks);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setLook(look));

  const neuron = new NeuronTab(panels.neuron, catalogue, (setup) => {
    if (current === "neuron") remember(writeLink("neuron", setup));
  });
  const rows = new RowsTab(panels.rows, { python, bytes: served?.bytes, onmodel: (id, show, model, program) => {
    if (model) {
      const old = catalogue.models.findIndex((m) => m.id === id);
      model.given = JSON.parse(rows.last);
      model.program = program;
      catalogue.programs[program] = LOADED[program];
      if (old >= 0) catalogue.models.splice(old, 1);
      catalogue.models = [model, ...catalogue.models.filter((m) => !m.id.startsWith("own-"))];
      neuron.fillPicker();
      if (pending) {
        const settings = pending;
        pending = null;
        neuron.choose(id, settings);
        open("neuron");
      }
    }
    if (show) {
      neuron.choose(id);
      open("neuron");
    }
  } });
  const bucket = new BucketTab(panels.bucket), timing = new TimingTab(panels.timing, catalogue);

  let waiting = 0, pending = null;
  // at most a few times a second: browsers limit how often an address changes
  function remember(hash) {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      try {
        if (served?.notebook) python.keep(hash);
        else history.replaceState(null, "", hash);
      } catch {
        // a page shown inside another may not
      }
    }, 250);
  }

  function open(name) {
    if (!Object.hasOwn(TABS, name)) return;
    if (current !== null && current !== name) scrollTo(0, 0);
    current = name;
    for (const key of Object.keys(TABS)) {
      panels[key].hidden = key !== name;
      links[key].setAttribute("aria-selected", String(key === name));
      links[key].tabIndex = key === name ? 0 : -1;
    }
    if (name === "bucket") bucket.start();
    else bucket.stop();
    if (name === "timing") timing.start();
    if (name === "rows") rows.start();
    if (name === "neuron") {
      if (!neuron.setup) neuron.choose(told.model);
      remember(writeLink("neuron", neuron.setup));
      neuron.drawPhase();
    } else remember(`#${name}`);
    dispatchEvent(new Event("resize"));
  }
  document.addEventListener("look", () => bucket.redraw());

  // Go where a link leads. Rows in it are read by Python, unless they are those of a model that is here.
  function follow({ tab, settings }) {
    if (!Object.hasOwn(TABS, tab)) return;
    const text = tab === "neuron" ? settings.get("rows") : null, here = catalogue.models.find((m) => m.id === settings.get("m"));
    if (text && !(here && (!python || JSON.stringify(here.given) === text))) return followRows(text, settings);
    if (tab === "neuron") neuron.choose(here?.id ?? told.model, settings);
    open(tab);
  }

  function followRows(text, settings) {
    let fields = null;
    try {
      fields = JSON.parse(text);
    } catch {
      toast("The rows in this link cannot be read");
    }
    if (fields) rows.fill(fields);
    if (fields && python) {
      pending = settings;
      rows.send();
    } else if (fields) toast("This link holds rows of its own: open it with rheobase explore");
    open("rows");
  }

  const given = readLink(location.hash);
  if (Object.hasOwn(TABS, given.tab)) follow(given);
  else open(told.tab);
  addEventListener("hashchange", () => follow(readLink(location.hash)));
  return { catalogue, neuron, rows, bucket, timing, open, pythonText, seconds: (performance.now() - begin) / 1000 };
}
