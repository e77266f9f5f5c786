/**
 * Tokens of code hosts, package registries, CI and observability: name, format (see vendor_tokens.ts).
 */
export const code = `
github_pat                 ghp_{a36} crc
github_oauth_token         gho_{a36} crc
github_user_token          ghu_{a36} crc
github_server_token        ghs_{a36} crc
github_refresh_token       ghr_{a36-76} crc
github_fine_grained_pat    github_pat_{a22}_{a59}
github_jwt_server_token    ghs_eyJ{j80-600}
gitlab_pat                 glpat-{t20}
gitlab_routable_pat        glpat-{t27-300}.{l2}.{l9}
gitlab_deploy_token        gldt-{t20}
gitlab_routable_deploy     gldt-{t27-300}.{l2}.{l9}
gitlab_feed_token          glft-{t20}
gitlab_incoming_mail_token glimt-{t25}
gitlab_agent_token         glagent-{t50-1024}
gitlab_oauth_secret        gloas-{t64}
gitlab_runner_token        glrt-{t20}
gitlab_routable_runner     glrt-t{d1}_{t20-27}
gitlab_runner_registration GR1348941{t20-50}
gitlab_scim_token          glsoat-{t20-50}
gitlab_trigger_token       glptt-{t40}
gitlab_job_token           glcbt-{t20}
gitlab_numbered_job_token  glcbt-{h1-5}_{t20}
gitlab_feature_token       glffct-{t20}
gitlab_workspace_token     glwt-{t20}
bitbucket_app_password     ATBB{t32}
bitbucket_access_token     ATCTT3xFfGN0{x150-260}
atlassian_api_token        ATATT3xFfG{x100-240}
azure_devops_pat           azd{l49}
sourcegraph_token          sgp_{h40}
sourcegraph_instance_token sgp_{h16}_{h40}
sourcegraph_cody_token     slk_{h64}
npm_token                  npm_{a36} crc
pypi_token                 pypi-AgEIcHlwaS5vcmc{t50-1000}
pypi_test_token            pypi-AgENdGVzdC5weXBpLm9yZw{t50-1000}
rubygems_key               rubygems_{h48}
crates_io_token            cio{a32}
nuget_api_key              oy2{l43}
docker_pat                 dckr_pat_{t27}
docker_org_token           dckr_oat_{t32}
artifactory_token          cmVmdGtu{b40-80}
artifactory_api_key        AKC{a10-80}
artifactory_password       AP{H1}{a10-80}
artifactory_reference      AKCp{a69}
clojars_token              CLOJARS_{l60}
packagist_token            packagist_ort_{h40-80}
jsr_token                  jsrp_{a30-60}
jsr_device_token           jsrd_{a30-60}
deno_deploy_token          ddp_{a36}
deno_deploy_org_token      ddo_{a36}
circleci_pat               CCIPAT_{a22}_{h40}
circleci_project_token     CCIPRJ_{a22}_{h40}
buildkite_agent_token      bkaj_{t40}
buildkite_user_token       bkua_{h40}
buildkite_cluster_token    bkct_{t40-80}
jenkins_crumb_token        11{h32}
harness_pat                pat.{t22}.{h24}.{a20}
harness_sat                sat.{t22}.{h24}.{a20}
sonar_user_token           squ_{h40}
sonar_project_token        sqp_{h40}
sonar_global_token         sqa_{h40}
snyk_token                 snyk_uat.{h8}.{j60-400}
snyk_service_token         snyk_sat.{h8}.{j60-400}
sentry_user_token          sntryu_{h64}
sentry_org_token           sntrys_eyJ{B80-600}_{b43}
sentry_app_token           sntrya_{h64}
datadog_pat                ddpat_{a20-60}
newrelic_user_key          NRAK-{u27}
newrelic_insert_key        NRII-{t32}
newrelic_browser_key       NRJS-{h19}
newrelic_query_key         NRIQ-{t32}
newrelic_license_key       eu01xx{h34}
grafana_service_token      glsa_{a32}_{h8}
grafana_cloud_token        glc_{b32-400}
grafana_legacy_key         eyJrIjoi{b60-400}
honeycomb_ingest_key       hcaik_{l58}
honeycomb_management_key   hcamk_{l58}
honeycomb_classic_key      hcxik_{l58}
logfire_token              pylf_v1_{l2}_{a40-50}
axiom_api_token            xaat-{h8}-{h4}-{h4}-{h4}-{h12}
axiom_personal_token       xapt-{h8}-{h4}-{h4}-{h4}-{h12}
rollbar_token              post_server_item_{h32}
pagerduty_key              u+{t18}
postman_key                PMAK-{h24}-{h34}
postman_collection_key     PMAT-{u26}
readme_key                 rdme_{l70}
launchdarkly_sdk_key       sdk-{h8}-{h4}-{h4}-{h4}-{h12}
launchdarkly_api_key       api-{h8}-{h4}-{h4}-{h4}-{h12}
launchdarkly_mobile_key    mob-{h8}-{h4}-{h4}-{h4}-{h12}
posthog_personal_key       phx_{a40-60}
posthog_project_secret     phs_{a40-60}
figma_pat                  figd_{t40-44}
figma_oauth_token          figu_{t40-44}
notion_token               ntn_{a46}
notion_legacy_token        secret_{a43}
linear_api_key             lin_api_{a40}
linear_oauth_token         lin_oauth_{h64}
asana_pat                  1/{d16}:{h32}
asana_v2_pat               2/{d16}/{d16}:{h32}
airtable_pat               pat{a14}.{h64}
typeform_pat               tfp_{x40-64}
contentful_pat             CFPAT-{t43}
sanity_token               sk{a80-180}
`
