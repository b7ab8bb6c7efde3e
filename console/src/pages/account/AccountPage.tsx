import { useQuery } from "@tanstack/react-query";
import { sessionQuery } from "../../api/queries";
import { StaleNote } from "../../parts/Notice/Notice";
import { Card, Page } from "../../parts/Page/Page";
import classes from "./AccountPage.module.css";
import { ChangePassword } from "./ChangePassword";
import { SecondFactor } from "./SecondFactor";
import { Sessions } from "./Sessions";
import { text } from "./text";

/** What somebody may change about oneself. */
export default function AccountPage() {
  const { data: session } = useQuery(sessionQuery);
  const due = session?.password_due ?? false;
  if (session === undefined) return <Page title={text.account}>{null}</Page>;
  return (
    <Page title={text.account} lead={text.lead(session.name, session.role)}>
      {due && <StaleNote>{text.due}</StaleNote>}
      <div className={classes.columns}>
        <Card title={text.password} padded>
          <ChangePassword name={session.name} />
        </Card>
        {!due && (
          <Card title={text.totp} padded>
            <SecondFactor />
          </Card>
        )}
      </div>
      {!due && <Sessions />}
    </Page>
  );
}
