const DENSITY_KEY = "palisade.density";

/** Rows of 36 or 28 px, kept on this device. */
export function toggleDensity(): void {
  const compact = document.documentElement.dataset.density !== "compact";
  setDensity(compact);
  localStorage.setItem(DENSITY_KEY, compact ? "compact" : "normal");
}

/** Brings back the density that was chosen on this device. */
export function restoreDensity(): void {
  setDensity(localStorage.getItem(DENSITY_KEY) === "compact");
}

function setDensity(compact: boolean): void {
  if (compact) document.documentElement.dataset.density = "compact";
  else delete document.documentElement.dataset.density;
}
