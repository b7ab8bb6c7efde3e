import { Button, PasswordInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { accountQuery, act } from "../../api/queries";
import { ErrorCard } from "../../parts/Notice/Notice";
import { TimeAgo } from "../../parts/TimeAgo/TimeAgo";
import { toast } from "../../parts/Toasts/Toasts";
import { text as words } from "../../parts/text";
import classes from "./AccountPage.module.css";
import { text } from "./text";

const PASSWORD_CHARS_MIN = 8;

/** The old one, and twice the new one; every further part of the rule is the API's to judge. */
export function ChangePassword({ name }: { name: string }) {
  const client = useQueryClient();
  const { data: account } = useQuery(accountQuery);
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const [asked, setAsked] = useState(false);
  const short = [...fresh].length < PASSWORD_CHARS_MIN;
  const change = useMutation({
    mutationFn: () => act.passwordChange({ old, new: fresh }),
    onSuccess: async () => {
      for (const clear of [setOld, setFresh, setAgain]) clear("");
      setAsked(false);
      toast(text.changed);
      await client.invalidateQueries();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setAsked(true);
    if (old !== "" && !short && fresh === again) change.mutate();
  };
  return (
    <form className={classes.form} onSubmit={submit} noValidate>
      <input type="text" name="username" autoComplete="username" value={name} readOnly hidden />
      <PasswordInput label={text.old} name="password" autoComplete="current-password" value={old} onChange={(event) => setOld(event.currentTarget.value)} error={asked && old === "" ? text.needOld : undefined} />
      <PasswordInput
        label={text.fresh}
        description={`${words.passwordRule} ${words.passwordAge}`}
        name="new-password"
        autoComplete="new-password"
        value={fresh}
        onChange={(event) => setFresh(event.currentTarget.value)}
        error={asked && short ? text.tooShort : undefined}
      />
      <PasswordInput
        label={text.again}
        name="new-password-again"
        autoComplete="new-password"
        value={again}
        onChange={(event) => setAgain(event.currentTarget.value)}
        error={asked && fresh !== again ? text.different : undefined}
      />
      {change.error && <ErrorCard doing={text.doingChange} error={change.error} />}
      <div className={classes.buttons} style={{ alignItems: "center" }}>
        <Button type="submit" variant="filled" loading={change.isPending}>
          {text.change}
        </Button>
        <span className="meta">{text.changeNote}</span>
      </div>
      {account && (
        <p className="meta">
          {text.due_at} <TimeAgo time={account.password_due_at} />
        </p>
      )}
    </form>
  );
}
