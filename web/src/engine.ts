/** What the page does, without the page: for its worker, and for whoever compares it with Python. */

export { recover } from "./recover";
export { render } from "./render";
