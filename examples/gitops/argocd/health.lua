-- What Argo CD shows as the health of an ImageDiff, by its conditions.
local status = obj.status
if status == nil or status.conditions == nil then
  return { status = "Progressing", message = "The controller has not looked at it yet." }
end
if status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "The controller has not looked at this version yet." }
end
local health = { status = "Progressing", message = "It is under way." }
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message
    if condition.status == "True" then
      health.status = "Healthy"
    end
  elseif condition.type == "Stalled" and condition.status == "True" then
    health.status = "Degraded"
  end
end
if status.phase == "Suspended" and health.status == "Progressing" then
  health.status = "Suspended"
end
return health
