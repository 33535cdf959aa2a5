"use strict";
// Filters the tables of wrong answers. Without script all rows are shown and there is nothing to filter with.
for (const box of document.querySelectorAll(".filterable")) {
  const form = box.querySelector(".filter");
  const rows = [...box.querySelectorAll("tbody tr")];
  const count = form.querySelector(".count");
  const filter = () => {
    const wanted = Object.fromEntries([...form.querySelectorAll("[data-key]")].map((i) => [i.dataset.key, i.value]));
    const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.querySelector(".text").textContent.toLowerCase();
      const fits = ["truth", "predicted"].every((key) => !wanted[key] || row.dataset[key] === wanted[key]);
      row.hidden = !(fits && words.every((word) => text.includes(word)));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  };
  form.hidden = false;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
}
