/* The page's planner: sliders in, planner.answer out. */
(function () {
    "use strict";
    const root = document.getElementById("capacity-planner");
    const calibration = JSON.parse(document.getElementById("capacity-calibration").textContent);
    const number = new Intl.NumberFormat("en", {maximumSignificantDigits: 3});
    const inputs = [...root.querySelectorAll("input")];

    /* Sliders marked `log` move in powers of ten. */
    function valueOf(input) {
        return input.dataset.log ? 10 ** Number(input.value) : Number(input.value);
    }
    function scaledUnit(value, units, step) {
        let i = 0;
        while (value >= step && i < units.length - 1) {
            value /= step;
            i++;
        }
        return `${number.format(value)} ${units[i]}`;
    }
    const shown = {
        bytes: (value) => scaledUnit(value, ["B", "KiB", "MiB", "GiB", "TiB"], 1024),
        time: (value) => scaledUnit(value, ["ns", "µs", "ms", "s"], 1000),
        share: (value) => `${number.format(100 * value)} %`,
        count: (value) => value >= 1e8 ? "over 100,000,000" :
            new Intl.NumberFormat("en", {maximumSignificantDigits: 2}).format(value),
    };
    function update() {
        const plan = {};
        for (const input of inputs) {
            plan[input.name] = valueOf(input);
            const text = `${number.format(valueOf(input))} ${input.dataset.unit}`.trim();
            root.querySelector(`output[for="${input.id}"]`).textContent = text;
            input.setAttribute("aria-valuetext", text);
        }
        const problem = planner.problem(plan);
        root.querySelector(".problem").textContent = problem;
        const interfaces = Object.keys(calibration.costs);
        const answers = problem ? [] : interfaces.map((name) =>
            planner.answer(plan, name, calibration, plan.memory_gib * 2 ** 30, 1));
        for (const row of root.querySelectorAll("tr[data-field]")) {
            interfaces.forEach((_, i) => {
                row.cells[i + 1].textContent = problem ? "–" :
                    shown[row.dataset.shown](answers[i][row.dataset.field]);
            });
        }
    }
    root.addEventListener("input", update);
    update();
})();
