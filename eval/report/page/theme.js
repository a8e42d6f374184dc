(() => {
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  let kept = null;
  try { kept = localStorage.getItem("metasynth-theme"); } catch { /* a file may have no storage */ }
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    button.textContent = isDark() ? "Light" : "Dark";
  };
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("metasynth-theme", root.dataset.theme); } catch { /* likewise */ }
    show();
  });
  system.addEventListener("change", show);
  button.hidden = false;
  show();
})();
