import { lazy, Suspense, useState } from "react";
import type { ResourceDrawerProps } from "./ResourceDrawer";

const Drawer = lazy(() => import("./ResourceDrawer"));

/** The form of a resource, loaded when it is first opened; it stays, so that closing gives the focus back. */
export function ResourceDrawer(props: ResourceDrawerProps) {
  const [wanted, setWanted] = useState(props.opened);
  if (props.opened && !wanted) setWanted(true);
  return <Suspense>{wanted && <Drawer {...props} />}</Suspense>;
}
