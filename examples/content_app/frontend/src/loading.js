import { useEffect, useState } from "preact/hooks";

/** What `load` gives for these keys; an answer that comes after the keys changed is dropped. */
export function useLoaded(load, keys) {
  const [state, setState] = useState({ data: null, error: null });
  useEffect(() => {
    let current = true;
    setState({ data: null, error: null });
    Promise.resolve(load()).then(
      (data) => current && setState({ data, error: null }),
      (error) => current && setState({ data: null, error: error.message }),
    );
    return () => {
      current = false;
    };
  }, keys);
  return state;
}
