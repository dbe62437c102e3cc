import { useState } from 'react';
import { Button, Field } from '@chorale/ui';
import { messages } from '../messages.ts';
import { tokenFrom } from '../summary.ts';

const text = messages.signIn;

/** Explains where the link is; takes it or its token, and opens it. */
export function SignInScreen() {
  const [pasted, setPasted] = useState('');
  const [missing, setMissing] = useState(false);
  return (
    <div className="sign-in">
      <h1>{text.title}</h1>
      <p>{text.how}</p>
      <form
        className="ch-stack"
        onSubmit={(event) => {
          event.preventDefault();
          const token = tokenFrom(pasted);
          if (token === '') setMissing(true);
          else location.assign(`/admin?token=${encodeURIComponent(token)}`);
        }}
      >
        <Field label={text.field} hint={text.hint} error={missing ? text.missing : null}>
          {(control) => (
            <input
              {...control}
              className="ch-input"
              type="password"
              autoComplete="off"
              spellCheck={false}
              value={pasted}
              onChange={(event) => {
                setPasted(event.currentTarget.value);
                setMissing(false);
              }}
            />
          )}
        </Field>
        <div>
          <Button type="submit" variant="primary">
            {text.submit}
          </Button>
        </div>
      </form>
    </div>
  );
}
