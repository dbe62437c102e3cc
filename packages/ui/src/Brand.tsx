/** The name with its mark: several voices of different length around one line. */
export function Brand({ suffix }: { suffix?: string }) {
  return (
    <span className="ch-brand">
      <svg width="26" height="22" viewBox="0 0 26 22" aria-hidden="true" focusable="false">
        <g stroke="currentColor" strokeWidth="3" strokeLinecap="round">
          <path d="M2.5 8.5v5M7.75 5v12M13 2v18M18.25 5v12M23.5 8.5v5" />
        </g>
      </svg>
      Chorale{suffix !== undefined && <span className="ch-muted">{suffix}</span>}
    </span>
  );
}
