/** Errors of requests, and signing in where that may help. */
import { useState } from "preact/hooks";
import { isSignedIn, Refused, signIn } from "./api.ts";

/** What went wrong, for the person at the browser: mostly in the registry's own words. */
export function messageOf(error: Error): string {
  if (!(error instanceof Refused))
    return "The registry does not answer. Check your connection, or try again later.";
  if (error.status !== 401) return error.message;
  // The registry's message mentions `docker login`.
  return error.wasSignedIn
    ? "The user or the password is wrong."
    : "This requires an account: sign in.";
}

const isSignedOut = (error: Error): error is Refused =>
  error instanceof Refused && error.status === 401;

/** The same as a notice, with the form to sign in where that may help. */
export function Trouble({ error }: { readonly error: Error }) {
  // An error from before somebody signed in is outdated.
  if (isSignedOut(error) && !error.wasSignedIn) return isSignedIn() ? null : <SignIn />;
  return (
    <>
      <p class="notice bad" role="alert">
        {messageOf(error)}
      </p>
      {isSignedOut(error) && <SignIn />}
    </>
  );
}

/** The form to sign in with an account of the registry. */
export function SignIn() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    signIn(user, password);
  };
  return (
    <form class="signin" onSubmit={submit}>
      <h2>{isSignedIn() ? "Sign in again" : "Sign in"}</h2>
      <p class="quiet">
        With an account of this registry, as for <code>docker login</code>. The page forgets it when
        you leave.
      </p>
      <label>
        User
        <input
          value={user}
          autocomplete="username"
          onInput={(event) => setUser(event.currentTarget.value)}
        />
      </label>
      <label>
        Password
        <input
          type="password"
          value={password}
          autocomplete="current-password"
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <button class="primary">Sign in</button>
    </form>
  );
}
