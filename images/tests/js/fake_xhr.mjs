/* The browser's XMLHttpRequest, as far as transfer.js uses it: a test says what happens to a request. */

export const requests = [];

export class FakeRequest {
  upload = {};
  headers = {};
  status = 0;
  isAborted = false;
  isOver = false;

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  send(body) {
    this.body = body;
    requests.push(this);
    FakeRequest.onsend?.(this);
  }

  abort() {
    this.isAborted = this.isOver = true;
  }

  progress(loaded) {
    this.upload.onprogress({ loaded });
  }

  answer(status) {
    this.isOver = true;
    this.status = status;
    this.onload();
  }

  lose() {
    this.isOver = true;
    this.onerror();
  }
}

export function install() {
  requests.length = 0;
  FakeRequest.onsend = null;
  globalThis.XMLHttpRequest = FakeRequest;
}
