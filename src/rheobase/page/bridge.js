// The way to Python, which reads rows: the page's own server, or the notebook that shows the page.

class Server {
  constructor({ token }) {
    this.token = token;
  }

  async ask(body) {
    try {
      const response = await fetch("rows", { method: "POST", headers: { "content-type": "application/json", "x-rheobase-token": this.token }, body });
      return await response.json();
    } catch {
      return { error: "Python does not answer: is rheobase explore still running?" };
    }
  }

  load({ program }) {
    return new Promise((resolve, reject) => {
      const address = `program/${program}.js`;
      document.head.append(el("script", { src: address, onload: resolve, onerror: () => reject(new Error(address)) }));
    });
  }
}

class Notebook {
  constructor({ token }, welcome) {
    Object.assign(this, { token, waiting: new Map(), count: 0 });
    // the one message that is listened to gives the port by which all others come
    this.port = new Promise((resolve) => {
      addEventListener("message", ({ source, data, ports }) => {
        if (source !== parent || data?.rheobase !== token || !ports[0]) return;
        ports[0].onmessage = (event) => this.hear(event.data);
        resolve(ports[0]);
        welcome(data);
      });
    });
  }

  hear({ id, answer }) {
    this.waiting.get(id)?.(answer);
    this.waiting.delete(id);
  }

  async ask(rows) {
    const port = await this.port, id = ++this.count;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      port.postMessage({ id, rows });
    });
  }

  // A program printed by Python, let in by the page's nonce.
  async load({ script }) {
    const node = el("script", { textContent: script });
    node.nonce = this.token;
    document.head.append(node);
    node.remove();
  }

  async keep(link) {
    (await this.port).postMessage({ link });
  }
}
