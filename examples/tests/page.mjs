// The script of a page, with as much of a browser as the pages of the examples use.
import assert from "node:assert/strict";
import { io, soon } from "./client.mjs";

export class Page {
  #elements = {};
  #shown = [];
  #waiting;

  /** Runs the script of a page of the server at `url`; `headers` are those that a browser would add. */
  constructor(html, url, headers = {}) {
    const [, script] = html.match(/<script>([^]*)<\/script>/);
    const document = { getElementById: (id) => this.element(id), createElement: () => this.#create() };
    const connect = (path, options) => io(url + (path ?? "/"), { ...options, extraHeaders: headers });
    const request = (path, options) => fetch(url + path, { ...options, headers: { ...options.headers, ...headers } });
    const show = (text) => this.#show(text);
    const location = {
      set href(path) {
        show(`-> ${path}`);
      },
    };
    new Function("document", "io", "fetch", "location", script)(document, connect, request, location);
  }

  element(id) {
    return (this.#elements[id] ??= this.#create());
  }

  #create() {
    const show = (text) => this.#show(text);
    const pen = { beginPath() {}, lineTo() {}, stroke() {} };
    return {
      appendChild: (child) => child,
      getContext: () => pen,
      set textContent(text) {
        show(text);
      },
    };
  }

  #show(text) {
    this.#shown.push(text);
    this.#waiting?.();
  }

  /** Fills the fields of a form, and submits it. */
  submit(form, values) {
    for (const [id, value] of Object.entries(values)) this.element(id).value = value;
    return this.element(form).onsubmit({ preventDefault() {} });
  }

  /** The text that the page shows next, in any element, is this one. */
  async shows(text) {
    if (this.#shown.length === 0) {
      await soon(`"${text}"`, (came) => (this.#waiting = came));
      this.#waiting = undefined;
    }
    assert.equal(this.#shown.shift(), text);
  }
}
