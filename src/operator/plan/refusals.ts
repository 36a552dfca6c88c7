/** Why the API server would not have a Job or a pod, from its answer. */
import type { OperatorReason } from "./reasons.ts";
import type { Cause } from "./states.ts";

interface Kind {
  /** The words of the admission plugin that refused. */
  pattern: RegExp;
  reason: OperatorReason;
  cure: string;
}

const kinds: readonly Kind[] = [
  {
    // plugin/resourcequota/controller.go of k8s.io/apiserver
    pattern: /exceeded quota|failed quota/,
    reason: "QuotaExceeded",
    cure: "Free some of the namespace's quota, or ask for less in spec.job.resources.",
  },
  {
    // plugin/pkg/admission/limitranger/admission.go of Kubernetes
    pattern: /(maximum|minimum) \S+ usage per|limit to request ratio per/,
    reason: "LimitRangeViolated",
    cure: "Ask in spec.job.resources for what the namespace's LimitRange allows.",
  },
  {
    // admission/admission.go of k8s.io/pod-security-admission
    pattern: /violates PodSecurity/,
    reason: "PodSecurityViolated",
    cure: "Keep spec.job.podSecurityContext within the namespace's Pod Security level.",
  },
  {
    // plugin/pkg/admission/serviceaccount/admission.go of Kubernetes
    pattern: /error looking up service account/,
    reason: "ServiceAccountMissing",
    cure: "Create the ServiceAccount, or name another in spec.job.serviceAccountName.",
  },
];

/** A refusal in our words, with the server's sentence and what to do about it. */
export function refusalCause(
  what: string,
  serverMessage: string,
  fallback: { reason: OperatorReason; cure: string },
): Cause {
  const { reason, cure } = kinds.find(({ pattern }) => pattern.test(serverMessage)) ?? fallback;
  // The Job controller makes up another name for the pod each time: that is no news.
  const lasting = serverMessage.replace(/pods "[^"]*"/, "the pod");
  return { reason, message: `${what} was refused: ${sentence(lasting)} ${cure}` };
}

/** A text of somebody else with an end. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
