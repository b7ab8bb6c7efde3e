export function Logo({ size = 20 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="currentColor" aria-hidden>
      <path d="M2 8l3-4 3 4v13H2zM9 8l3-4 3 4v13H9zM16 8l3-4 3 4v13h-6z" />
    </svg>
  );
}
