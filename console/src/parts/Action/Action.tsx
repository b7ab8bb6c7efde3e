import { Button, type ButtonProps, Tooltip } from "@mantine/core";
import { Link } from "react-router";
import { text } from "../text";

interface ActionProps extends ButtonProps {
  /** True, or the reason why not; absent counts as true. */
  can?: boolean | string;
  onClick?: () => void;
  type?: "button" | "submit";
}

/** A button that is shown with its reason when it may not be pressed. */
export function Action({ can = true, onClick, children, type = "button", ...rest }: ActionProps) {
  if (can === true) {
    return (
      <Button type={type} onClick={onClick} {...rest}>
        {children}
      </Button>
    );
  }
  return (
    <Tooltip label={typeof can === "string" ? can : text.notAllowed}>
      <Button type="button" {...rest} data-disabled aria-disabled variant="default" onClick={(event) => event.preventDefault()}>
        {children}
      </Button>
    </Tooltip>
  );
}

/** A link that looks like a button. */
export function ActionLink({ to, children, ...rest }: ButtonProps & { to: string }) {
  return (
    <Button component={Link} to={to} {...rest}>
      {children}
    </Button>
  );
}
