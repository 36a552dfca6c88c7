{{/* Names and labels that several objects share. */}}

{{- define "imagediff.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The prefix of names: short enough for "-controller" and a Lease's holder behind it. */}}
{{- define "imagediff.prefix" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "imagediff.controller" -}}
{{- include "imagediff.prefix" . -}}-controller
{{- end -}}

{{- define "imagediff.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "imagediff.controller" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "imagediff.leaseNamespace" -}}
{{- default .Release.Namespace .Values.leaderElection.leaseNamespace -}}
{{- end -}}

{{/* Which pods are meant; a Deployment's can never change. */}}
{{- define "imagediff.selector" -}}
app.kubernetes.io/name: {{ include "imagediff.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: controller
{{- end -}}

{{/* Ours win over the user's: each key is there once, and what selects the pods is as it must be. */}}
{{- define "imagediff.labels" -}}
{{- $chart := printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- $own := dict
  "helm.sh/chart" $chart
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
-}}
{{- mergeOverwrite (default dict .Values.commonLabels | deepCopy) $own (include "imagediff.selector" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* An image's full name: (dict "root" $ "image" .Values.image.engine). */}}
{{- define "imagediff.image" -}}
{{- $image := .image -}}
{{- with .root.Values.image.registry }}{{ . | trimSuffix "/" }}/{{ end -}}
{{- $image.repository }}:{{ default .root.Chart.AppVersion $image.tag -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* A map of quantities as the controller's flags have it: cpu=500m,memory=256Mi. */}}
{{- define "imagediff.quantities" -}}
{{- $list := list -}}
{{- range $name, $quantity := . -}}
{{- /* Helm's numbers are floating: a large one would be written with an exponent. */ -}}
{{- if and (kindIs "float64" $quantity) (eq (floor $quantity) $quantity) -}}
{{- $quantity = int64 $quantity -}}
{{- end -}}
{{- $list = append $list (printf "%s=%v" $name $quantity) -}}
{{- end -}}
{{- join "," $list -}}
{{- end -}}
