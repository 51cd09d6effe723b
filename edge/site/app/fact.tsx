/** One fact of a `dl`: a label, a value, and what qualifies it. */
export function Fact(props: {
  readonly value: string;
  readonly label: string;
  readonly note?: string;
}) {
  return (
    <div class="fact">
      <dt>{props.label}</dt>
      <dd>
        {props.value}
        {props.note !== undefined && <small>{props.note}</small>}
      </dd>
    </div>
  );
}
