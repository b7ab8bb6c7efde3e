import { Button, createTheme, type CSSVariablesResolver, Input, localStorageColorSchemeManager, Tooltip } from "@mantine/core";

/** Where the chosen scheme is kept; `public/scheme.js` reads the same key. */
export const schemeManager = localStorageColorSchemeManager({ key: "palisade.scheme" });

const accent = "var(--accent)";

const OVERLAY = { color: "#000", backgroundOpacity: 0.28 };
const DIALOG = { title: { font: "var(--card-title)", overflowWrap: "anywhere" as const }, content: { boxShadow: "var(--overlay-shadow)", borderInlineStart: "1px solid var(--border)" } };

export const theme = createTheme({
  fontFamily: "var(--font)",
  fontFamilyMonospace: "var(--mono)",
  primaryColor: "accent",
  colors: { accent: [accent, accent, accent, accent, accent, accent, accent, accent, accent, accent] },
  defaultRadius: 4,
  cursorType: "pointer",
  respectReducedMotion: true,
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  components: {
    Button: Button.extend({
      defaultProps: { size: "xs", variant: "default" },
      vars: (_theme, props) => ({
        root: {
          "--button-height": "var(--control-height)",
          "--button-padding-x": "12px",
          "--button-fz": "13px",
          ...(props.variant === "filled" ? { "--button-color": "var(--on-accent)", "--button-hover": "color-mix(in srgb, var(--accent) 88%, var(--text))" } : {}),
        },
      }),
      styles: { root: { fontWeight: 500 } },
    }),
    Input: Input.extend({
      vars: () => ({
        wrapper: { "--input-bg": "var(--surface)", "--input-bd": "var(--control)", "--input-bd-focus": "var(--accent)", "--input-height": "var(--control-height)", "--input-disabled-bg": "var(--sunken)" },
      }),
    }),
    Tooltip: Tooltip.extend({ defaultProps: { openDelay: 200, events: { hover: true, focus: true, touch: true }, multiline: true, maw: 360, color: "dark" } }),
    // The menu's own element takes the focus; an empty one inside it would be no menu item.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    // Named without its import: dialogs are loaded when the first one opens.
    Modal: { defaultProps: { centered: true, transitionProps: { duration: 120 }, overlayProps: OVERLAY }, styles: DIALOG },
    Drawer: { defaultProps: { transitionProps: { duration: 120 }, padding: 24, overlayProps: OVERLAY }, styles: DIALOG },
  },
});

/** Hands our tokens to Mantine, so that its parts follow the theme without naming a hue. */
export const cssVariables: CSSVariablesResolver = () => {
  const both = {
    "--mantine-color-body": "var(--surface)",
    "--mantine-color-text": "var(--text)",
    "--mantine-color-bright": "var(--text)",
    "--mantine-color-dimmed": "var(--text-2)",
    "--mantine-color-placeholder": "var(--text-3)",
    "--mantine-color-anchor": "var(--accent)",
    "--mantine-color-error": "var(--bad)",
    "--mantine-color-default": "var(--raised)",
    "--mantine-color-default-hover": "var(--hover)",
    "--mantine-color-default-color": "var(--text)",
    "--mantine-color-default-border": "var(--control)",
    "--mantine-color-disabled": "var(--sunken)",
    "--mantine-color-disabled-color": "var(--text-3)",
    "--mantine-color-disabled-border": "var(--border)",
    "--mantine-color-accent-filled": "var(--accent)",
    "--mantine-color-accent-filled-hover": "color-mix(in srgb, var(--accent) 88%, var(--text))",
    "--mantine-color-accent-light": "color-mix(in srgb, var(--accent) var(--tint), transparent)",
    "--mantine-color-accent-light-hover": "color-mix(in srgb, var(--accent) var(--tint), transparent)",
    "--mantine-color-accent-light-color": "var(--accent)",
    "--mantine-color-accent-outline": "var(--accent)",
    "--mantine-primary-color-contrast": "var(--on-accent)",
  };
  return { variables: {}, light: both, dark: both };
};
