// Pages work without this: it takes dropped and pasted files, shows what was picked, says that a form is being worked on,
// keeps it from being sent twice, and shows times as local ones.
"use strict";

const urls = [];

function show(input) {
  input.setCustomValidity(input.files.length > Number(input.dataset.most || Infinity) ? input.dataset.tooMany : "");
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

function wait(form) {
  const files = [...form.querySelectorAll("input[type=file]")].reduce((sum, input) => sum + input.files.length, 0);
  const begin = Date.now();
  const said = document.createElement("p");
  const seconds = document.createElement("span");
  const bar = document.createElement("progress");
  said.className = "wait";
  bar.setAttribute("aria-hidden", "true");
  seconds.setAttribute("aria-hidden", "true");
  said.setAttribute("role", "status");
  form.append(said);
  said.append(form.dataset.wait.replace("{count}", files), " ", seconds, bar);
  setInterval(() => (seconds.textContent = new Date(Date.now() - begin).toISOString().slice(14, 19)), 1000);
  said.scrollIntoView({ block: "nearest" });
}

for (const form of document.querySelectorAll("form[enctype]")) {
  form.addEventListener("submit", () => {
    setTimeout(() => form.querySelectorAll("button").forEach((one) => (one.disabled = true)));
    if (form.dataset.wait) wait(form);
  });
}

for (const time of document.querySelectorAll("time[datetime]")) {
  const moment = new Date(time.dateTime);
  if (!Number.isNaN(moment.getTime())) {
    time.title = time.textContent;
    time.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  }
}

// A page that the browser kept is asked for anew: after logging out, going back shows nothing.
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
