// A notebook's side of the page: the frame that holds it, and the way from there to Python and back (anywidget).

function render({ model, el }) {
  const view = crypto.getRandomValues(new Uint32Array(4)).join("-"), frame = document.createElement("iframe");
  let port = null;
  frame.title = "rheobase";
  frame.setAttribute("sandbox", "allow-scripts allow-downloads"); // no origin of its own, so nothing of the notebook's
  frame.allow = "clipboard-write";
  frame.style.cssText = "display:block;width:100%;height:820px;border:0";
  // each time the page begins: at first, and when the notebook has moved its frame
  frame.addEventListener("load", () => {
    port?.close();
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = ({ data }) => {
      if (typeof data?.link === "string") {
        model.set("link", data.link.slice(0, model.get("_bytes")));
        model.save_changes();
      }
      if (typeof data?.rows === "string" && data.rows.length <= model.get("_bytes")) model.send({ view, id: data.id, rows: data.rows });
    };
    const hello = { rheobase: model.get("_token"), link: model.get("link"), look: isDark(el) ? "dark" : "light" };
    frame.contentWindow.postMessage(hello, "*", [channel.port2]);
  });
  const hear = (message) => message?.view === view && port?.postMessage({ id: message.id, answer: message.answer });
  model.on("msg:custom", hear);
  frame.srcdoc = model.get("_document");
  el.append(frame);
  return () => {
    model.off("msg:custom", hear);
    port?.close();
  };
}

// Where text is light, the notebook is dark.
function isDark(el) {
  const [r, g, b] = (getComputedStyle(el).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return r + g + b > 382;
}

export default { render };
