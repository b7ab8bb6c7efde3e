// Sets the colour scheme before the first paint; a file of its own because the content security
// policy allows no inline script.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("palisade.scheme");
  } catch (e) {
    // storage may be shut off; the system's choice holds then
  }
  if (chosen !== "light" && chosen !== "dark") {
    chosen = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }
  document.documentElement.setAttribute("data-mantine-color-scheme", chosen);
})();
