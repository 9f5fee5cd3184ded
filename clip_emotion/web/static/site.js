// Pages work without this: it takes dropped and pasted pictures, shows what was picked, and keeps a form from being sent twice.
"use strict";

const urls = [];

function show(input) {
  const drop = input.closest(".drop");
  let output = drop.querySelector("output");
  if (!output) drop.append((output = document.createElement("output")));
  output.replaceChildren();
  urls.splice(0).forEach(URL.revokeObjectURL);
  for (const file of [...input.files].slice(0, 50)) {
    if (!file.type.startsWith("image/")) continue;
    const image = document.createElement("img");
    image.alt = file.name;
    image.src = URL.createObjectURL(file);
    urls.push(image.src);
    output.append(image);
  }
}

function take(input, files) {
  if (!files.length) return;
  const data = new DataTransfer();
  for (const file of input.multiple ? files : [...files].slice(0, 1)) data.items.add(file);
  input.files = data.files;
  show(input);
}

for (const drop of document.querySelectorAll(".drop")) {
  const input = drop.querySelector("input[type=file]");
  input.addEventListener("change", () => show(input));
  drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(input, event.dataTransfer.files);
  });
}

document.addEventListener("paste", (event) => {
  const input = document.querySelector(".drop input[type=file]");
  if (input && event.clipboardData) take(input, event.clipboardData.files);
});

for (const form of document.querySelectorAll("form[enctype]")) {
  form.addEventListener("submit", () => setTimeout(() => form.querySelectorAll("button").forEach((one) => (one.disabled = true))));
}

// A page that the browser kept is asked for anew: after logging out, going back shows nothing.
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
