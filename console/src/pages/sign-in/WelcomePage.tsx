import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { act, sessionQuery } from "../../api/queries";
import { Command } from "../../parts/Command/Command";
import { ErrorCard } from "../../parts/Notice/Notice";
import { readWelcome } from "../../parts/OnceLink/link";
import { text as words } from "../../parts/text";
import { to } from "../../paths";
import { plain } from "../../words/escape";
import { CodeInput, isCodeAsked } from "./CodeInput";
import { Frame } from "./Frame";
import classes from "./SignIn.module.css";
import { text } from "./text";

const PASSWORD_CHARS_MIN = 8;

/** The one-time link: its token stands behind `#`, so that it is in no log, and leaves the history at once. */
export default function WelcomePage() {
  const [{ token, user }] = useState(() => readWelcome(window.location.hash));
  useEffect(() => window.history.replaceState(window.history.state, "", window.location.pathname), []);
  if (token === "") {
    return (
      <Frame title={text.noToken}>
        <p>{text.noTokenLead}</p>
        <Command command={text.newLink} on={text.serverMachine} as={text.asRoot} />
      </Frame>
    );
  }
  return (
    <Frame title={user ? text.setPassword : text.welcome}>
      <p className="meta">{user ? text.setPasswordLead(plain(user)) : text.welcomeLead}</p>
      <Account token={token} user={user} />
    </Frame>
  );
}

function Account({ token, user }: { token: string; user: string | null }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const [name, setName] = useState(user ?? "");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [code, setCode] = useState<string | null>(null);
  const [asked, setAsked] = useState(false);
  const short = [...password].length < PASSWORD_CHARS_MIN;
  const create = useMutation({
    // the secret alone decides whose password it is
    mutationFn: () => act.welcome({ token, password, ...(user === null ? { name: name.trim() } : {}), ...(code ? { totp_code: code.trim() } : {}) }),
    onError: (error) => isCodeAsked(error) && setCode(""),
    onSuccess: async () => {
      client.removeQueries();
      await client.fetchQuery(sessionQuery);
      await navigate(to.overview(), { replace: true });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (name.trim() !== "" && !short && password === again && code?.trim() !== "") create.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <TextInput
        label={text.name}
        name="username"
        autoComplete="username"
        autoFocus={user === null}
        readOnly={user !== null}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={asked && name.trim() === "" ? text.needName : undefined}
      />
      <PasswordInput
        label={text.password}
        description={words.passwordRule}
        autoFocus={user !== null}
        name="new-password"
        autoComplete="new-password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={asked && short ? text.tooShort : undefined}
      />
      <PasswordInput
        label={text.again}
        name="new-password-again"
        autoComplete="new-password"
        value={again}
        onChange={(event) => setAgain(event.currentTarget.value)}
        error={asked && password !== again ? text.different : undefined}
      />
      {code !== null && <CodeInput code={code} onChange={setCode} />}
      {create.error && !isCodeAsked(create.error) && <ErrorCard doing={user ? text.doingSet : text.doingWelcome} error={create.error} />}
      <Button type="submit" variant="filled" loading={create.isPending} fullWidth>
        {user ? text.setPasswordVerb : text.create}
      </Button>
    </form>
  );
}
