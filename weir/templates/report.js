"use strict";

// Charts: the figures come from the page; "@name" stands for the page's colour --name, so that one set of figures
// serves the light and the dark scheme.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const narrow = window.matchMedia("(max-width: 760px)");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const touch = window.matchMedia("(pointer: coarse)").matches;

  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
  const coloured = (value) => {
    if (typeof value === "string") return value.startsWith("@") ? colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(coloured);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, coloured(entry)]));
  };

  const axis = () => ({
    gridcolor: colour("grid"),
    linecolor: colour("line"),
    zerolinecolor: colour("line"),
    tickfont: { color: colour("muted") },
    title: { font: { color: colour("muted"), size: 12 }, standoff: 10 },
    automargin: true,
    // A finger on the chart scrolls the page; a mouse zooms.
    fixedrange: touch,
  });
  const merged = (base, extra) => {
    const result = { ...base };
    for (const [key, value] of Object.entries(extra)) {
      const both = [base[key], value].every((v) => v !== null && typeof v === "object" && !Array.isArray(v));
      result[key] = both ? merged(base[key], value) : value;
    }
    return result;
  };
  const layout = (figure) =>
    merged(
      {
        autosize: true,
        margin: { l: 8, r: 12, t: 8, b: 8 },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
        hovermode: "closest",
        hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("ink") } },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        dragmode: touch ? false : "zoom",
        xaxis: {
          ...axis(),
          type: "date",
          showgrid: false,
          showline: true,
          tickformat: "%H:%M\n%-d %b %Y",
          hoverformat: "%-d %b %Y, %H:%M UTC",
          nticks: narrow.matches ? 4 : 8,
          title: { text: "Time, UTC", font: axis().title.font, standoff: 6 },
        },
        yaxis: axis(),
        ...("yaxis2" in figure.layout && { yaxis2: { ...axis(), overlaying: "y", side: "right", showgrid: false } }),
      },
      coloured(figure.layout),
    );

  const draw = () => {
    for (const chart of document.querySelectorAll("[data-figure]")) {
      const figure = figures[chart.dataset.figure];
      Plotly.react(chart, coloured(figure.data), layout(figure), { displayModeBar: false, responsive: true });
    }
  };
  draw();
  dark.addEventListener("change", draw);
  narrow.addEventListener("change", draw);
})();

// Tables: a click on the head of a column sorts by it. Cells with numbers carry the value in data-value.
(() => {
  const key = (row, column) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(b));
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => sign * compare(key(a, column), key(b, column)));
        table.tBodies[0].append(...rows);
      });
    });
  }
})();
