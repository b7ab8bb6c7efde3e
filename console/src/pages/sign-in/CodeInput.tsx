import { TextInput } from "@mantine/core";
import { ApiError, CODE_TOTP } from "../../api/errors";
import { text } from "./text";

/** The password was right, and the account asks for a code as well. */
export function isCodeAsked(error: unknown): boolean {
  return error instanceof ApiError && error.code === CODE_TOTP;
}

/** Six digits or a recovery code; it takes the focus, because it is asked for last. */
export function CodeInput({ code, onChange, error }: { code: string; onChange: (code: string) => void; error?: string }) {
  return <TextInput label={text.code} description={text.codeNote} name="code" autoComplete="one-time-code" autoFocus value={code} onChange={(event) => onChange(event.currentTarget.value)} error={error} />;
}
