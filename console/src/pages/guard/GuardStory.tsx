import { Link } from "react-router";
import type { PracticeState } from "../../api/types";
import { StateBadge } from "../../parts/Badges/Badges";
import { Card } from "../../parts/Page/Page";
import { EmptyState } from "../../parts/Notice/Notice";
import { type Guard, to } from "../../paths";
import classes from "./GuardStory.module.css";
import { text } from "./text";

/** What a guard is for and how its practices stand; honest about a guard that is not built. */
export function GuardStory({ guard, states, host, section }: { guard: Guard; states: PracticeState[]; host?: string; section?: keyof typeof text.section }) {
  const story = section ? text.section[section] : text.guards[guard];
  const serves = section === undefined && states.some((practice) => practice.state !== "unprotected");
  return (
    <>
      <Card title={serves ? text.serves : text.will} padded={serves}>
        {serves ? (
          <p>{story.will}</p>
        ) : (
          <EmptyState title={text.notBuilt(story.title)}>
            <p>{story.will}</p>
            <p>{text.unprotected}</p>
          </EmptyState>
        )}
      </Card>
      {states.length > 0 && (
        <Card title={text.practices}>
          <ul>
            {states.map((practice) => (
              <li key={practice.id} className={classes.practice}>
                <StateBadge state={practice.state} />
                <div>
                  <p>
                    {practice.state === "unprotected" ? practice.title : <Link to={to.findings({ practice: practice.id, host })}>{practice.title}</Link>}
                    <span className="meta"> · {practice.reason}</span>
                  </p>
                  <p className="meta">{practice.mission}</p>
                </div>
              </li>
            ))}
          </ul>
        </Card>
      )}
    </>
  );
}
