import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";
import { act, sessionQuery, signInFacts } from "../../api/queries";
import { Command } from "../../parts/Command/Command";
import { ErrorCard } from "../../parts/Notice/Notice";
import { to } from "../../paths";
import { CodeInput, isCodeAsked } from "./CodeInput";
import { Frame } from "./Frame";
import classes from "./SignIn.module.css";
import { text } from "./text";

export default function SignInPage() {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const client = useQueryClient();
  const facts = useQuery(signInFacts);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const [asked, setAsked] = useState(false);
  const signIn = useMutation({
    mutationFn: () => act.signIn({ name: name.trim(), password, ...(code ? { code: code.trim() } : {}) }),
    onError: (error) => isCodeAsked(error) && setCode(""),
    onSuccess: async () => {
      client.removeQueries();
      await client.fetchQuery(sessionQuery);
      await navigate(backOf(search.get("to")), { replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (name.trim() !== "" && password !== "" && code?.trim() !== "") signIn.mutate();
  };
  return (
    <Frame title={text.signIn}>
      {facts.data?.first_run && (
        <div style={{ display: "grid", gap: 8 }}>
          <p>
            <strong>{text.firstRun}.</strong> {text.firstRunLead}
          </p>
          <Command command={text.newLink} on={text.serverMachine} as={text.asRoot} />
        </div>
      )}
      <form className={classes.form} onSubmit={submit} noValidate>
        <TextInput
          label={text.name}
          name="username"
          autoComplete="username"
          autoFocus
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={asked && name.trim() === "" ? text.needName : undefined}
        />
        <PasswordInput
          label={text.password}
          name="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={asked && password === "" ? text.needPassword : undefined}
        />
        {code !== null && (
          <CodeInput code={code} onChange={setCode} error={asked && code.trim() === "" && !signIn.isPending && !isCodeAsked(signIn.error) ? text.needCode : undefined} />
        )}
        {signIn.error && !isCodeAsked(signIn.error) && <ErrorCard doing={text.doingSignIn} error={signIn.error} />}
        <Button type="submit" variant="filled" loading={signIn.isPending} fullWidth>
          {text.signIn}
        </Button>
      </form>
    </Frame>
  );
}

/** Only an address of this console: never another site's. */
export function backOf(asked: string | null): string {
  return asked !== null && asked.startsWith("/") && !asked.startsWith("//") && !asked.startsWith("/\\") ? asked : to.overview();
}
