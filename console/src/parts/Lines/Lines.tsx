import { Input } from "@mantine/core";
import { useId } from "react";
import classes from "./Lines.module.css";

interface LinesProps {
  label: string;
  description?: string;
  error?: string;
  value: string;
  rows: number;
  readOnly?: boolean;
  onChange: (value: string) => void;
}

/** Many lines of addresses or the like, to be pasted. */
export function Lines({ label, description, error, value, rows, readOnly, onChange }: LinesProps) {
  const id = useId();
  return (
    <Input.Wrapper id={id} label={label} description={description} error={error} descriptionProps={{ id: `${id}-note` }}>
      <textarea id={id} className={classes.lines} aria-describedby={description ? `${id}-note` : undefined} rows={rows} value={value} readOnly={readOnly} spellCheck={false} autoComplete="off" onChange={(event) => onChange(event.currentTarget.value)} />
    </Input.Wrapper>
  );
}
