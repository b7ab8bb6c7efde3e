import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import { overviewQuery } from "../../api/queries";
import { BlockSkeleton, ErrorCard } from "../../parts/Notice/Notice";
import { Page } from "../../parts/Page/Page";
import { GUARDS } from "../../paths";
import NotFoundPage from "../../shell/NotFoundPage";
import { GuardStory } from "./GuardStory";
import { text } from "./text";

/** The page of a guard (or a part of one) that has no page of its own yet. */
export default function GuardPage() {
  const { guard: asked, section: askedSection } = useParams();
  const { data, error, refetch } = useQuery(overviewQuery);
  const guard = GUARDS.find((known) => known === asked);
  const section = askedSection === "incidents" && guard === "intrusion" ? "incidents" : askedSection === "alarms" && guard === "monitor" ? "alarms" : undefined;
  if (guard === undefined || (askedSection !== undefined && section === undefined)) return <NotFoundPage />;
  const practices = (data?.practices ?? []).filter((practice) => practice.guard === guard && (section !== "alarms" || practice.id === "alarms"));
  return (
    <Page key={`${guard} ${section}`} title={section ? text.section[section].title : text.guards[guard].title}>
      {error && data === undefined ? (
        <ErrorCard doing={text.doing} error={error} onRetry={() => void refetch()} />
      ) : data === undefined ? (
        <BlockSkeleton height={200} />
      ) : (
        <GuardStory guard={guard} states={practices} section={section} />
      )}
    </Page>
  );
}
