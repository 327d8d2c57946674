// Before anything is painted: the theme that was chosen, or else the system's.
try {
  const theme = localStorage.getItem("kiln.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
