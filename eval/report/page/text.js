"use strict";
// Nodes are made of text alone: nothing that a record holds is ever read as HTML.
const data = JSON.parse(document.getElementById("data").textContent);

const acting = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const visible = (text) => String(text).replace(/\r\n?/g, "\n").replace(acting,
  (found) => "⟦U+" + found.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟧");

function node(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") {
      made.append(typeof child === "object" ? child : visible(child));
    }
  }
  return made;
}

const number = (value) => value.toLocaleString("en-US");
const plural = (count, noun) => number(count) + " " + noun + (count === 1 ? "" : "s");
